"""The one line of JSON that reports how a command went and what state the host is in."""

from __future__ import annotations

import json
import os
from typing import Any

from twinslot.shared.constants import PORTS

from twinslot_host.command.ledger import Report
from twinslot_host.nginx.control import ask_proxy, live_slot
from twinslot_host.slot.health import would_verify
from twinslot_host.slot.state import is_verified, read_content
from twinslot_host.system.paths import OTHER, Paths
from twinslot_host.system.sanitize import sanitize
from twinslot_host.system.systemd import both_units

REPORT_BYTES = 2400  # ListCommandInvocations returns 2,500 characters of the output
REASON_CHARACTERS = 300
LOG_LINE_CHARACTERS = 300
NO_SLOT = {"release": None, "label": None, "state": "unknown", "verified": False, "pid": 0, "restarts": 0}
UNKNOWN_STATUS = {"live": None, "standby": False, "slots": dict.fromkeys(PORTS, NO_SLOT)}


def host_status(paths: Paths) -> dict[str, Any]:
    """Return the state of this host: the part of a report that is the same for each verb."""
    units = both_units(paths)
    pointer = ask_proxy()
    live = pointer.slot if pointer and live_slot(paths) else None
    slots = {}
    for slot, unit in units.items():
        content = read_content(paths, slot)
        slots[slot] = {
            "release": content.sha256 if content else None,
            "label": sanitize(content.label, 80) if content else None,
            "state": unit.state,
            # systemd restarts the live process by itself, after a crash or a boot, and no verb verifies it
            # then.
            "verified": is_verified(paths, slot, unit) or (slot == live and would_verify(paths, slot, unit)),
            "pid": unit.pid,
            "restarts": int(unit.restarts or 0),
        }
    standby = bool(
        live and os.path.exists(f"{paths.standby}/{OTHER[live]}") and slots[OTHER[live]]["verified"]
    )
    return {"live": live, "standby": standby, "slots": slots}


def compose(fields: dict[str, Any], ok: bool, reason: str, log: list[str]) -> Report:
    """Return the report with these fields, and with as many of the last log lines as fit."""
    fields = dict(fields, ok=ok, reason=sanitize(reason, REASON_CHARACTERS))
    lines = [sanitize(line.replace("\t", " "), LOG_LINE_CHARACTERS) for line in log if line.strip()]
    while True:
        text = json.dumps(dict(fields, log=lines), ensure_ascii=False)
        if len(text.encode()) <= REPORT_BYTES or not lines:
            return Report(ok, text)
        del lines[0]
