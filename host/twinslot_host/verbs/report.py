"""The one line of JSON that tells how a command went and how things stand."""

from __future__ import annotations

import json
import os
from typing import Any

from twinslot_host.nginx.control import ask_proxy, live_slot
from twinslot_host.slot.state import health, is_verified, port_mismatch, read_content
from twinslot_host.system.paths import OTHER, PORTS, Paths
from twinslot_host.system.systemd import Unit, both_units

REPORT_BYTES = 2400  # ListCommandInvocations shows 2,500 characters of the output
REASON_CHARACTERS = 300
LOG_LINE_CHARACTERS = 300
NO_SLOT = {"release": None, "label": None, "state": "unknown", "verified": False, "pid": 0, "restarts": 0}
NOTHING_KNOWN = {"live": None, "standby": False, "slots": dict.fromkeys(PORTS, NO_SLOT)}


def sanitize(text: str, limit: int) -> str:
    """The text with every character that does not print replaced, and no longer than `limit`."""
    clean = "".join(character if character.isprintable() else "?" for character in text[:limit])
    return clean[: limit - 1] + "…" if len(text) > limit else clean


def is_fit(paths: Paths, slot: str, unit: Unit) -> bool:
    """Whether a process that was never verified would be: systemd starts the live slot again after a crash
    or a boot, and nobody is there then to look at it."""
    content = read_content(paths, slot)
    if not content or unit.state != "active":
        return False
    return not health(content, slot) and not port_mismatch(paths, slot, content, unit.pid)


def standing(paths: Paths) -> dict[str, Any]:
    """How things stand on this host: the part of a report that is the same for each verb."""
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
            "verified": is_verified(paths, slot, unit) or (slot == live and is_fit(paths, slot, unit)),
            "pid": unit.pid,
            "restarts": int(unit.restarts or 0),
        }
    standby = bool(
        live and os.path.exists(f"{paths.standby}/{OTHER[live]}") and slots[OTHER[live]]["verified"]
    )
    return {"live": live, "standby": standby, "slots": slots}


def compose(report: dict[str, Any], reason: str, log: list[str]) -> str:
    """The one line of JSON, with as many of the last log lines as fit."""
    report = dict(report, reason=sanitize(reason, REASON_CHARACTERS))
    lines = [sanitize(line.replace("\t", " "), LOG_LINE_CHARACTERS) for line in log if line.strip()]
    while True:
        text = json.dumps(dict(report, log=lines), ensure_ascii=False)
        if len(text.encode()) <= REPORT_BYTES or not lines:
            return text
        del lines[0]
