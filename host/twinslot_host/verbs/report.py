"""The one line of JSON that tells how a command went and how things stand."""

from __future__ import annotations

import json
import os
from typing import Any

from twinslot_host.nginx.control import ask_proxy, live_slot
from twinslot_host.slot.state import health, is_verified, mistaken, read_held
from twinslot_host.system.paths import OTHER, PORTS, Places
from twinslot_host.system.systemd import Unit, both_units

REPORT_BYTES = 2400  # ListCommandInvocations shows 2,500 characters of the output
REASON_CHARACTERS = 300
LOG_LINE_CHARACTERS = 300
NO_SLOT = {"release": None, "label": None, "state": "unknown", "verified": False, "pid": 0, "restarts": 0}
NOTHING_KNOWN = {"live": None, "standby": False, "slots": dict.fromkeys(PORTS, NO_SLOT)}


def printable(text: str, limit: int) -> str:
    """The text with every character that does not print replaced, and no longer than `limit`."""
    clean = "".join(character if character.isprintable() else "?" for character in text[:limit])
    return clean[: limit - 1] + "…" if len(text) > limit else clean


def is_fit(places: Places, slot: str, unit: Unit) -> bool:
    """Whether a process that was never verified would be: systemd starts the live slot again after a crash
    or a boot, and nobody is there then to look at it."""
    held = read_held(places, slot)
    if not held or unit.state != "active":
        return False
    return not health(held, slot) and not mistaken(places, slot, held, unit.pid)


def standing(places: Places) -> dict[str, Any]:
    """How things stand on this host: the part of a report that is the same for each verb."""
    units = both_units(places)
    pointer = ask_proxy()
    live = pointer.slot if pointer and live_slot(places) else None
    slots = {}
    for slot, unit in units.items():
        held = read_held(places, slot)
        slots[slot] = {
            "release": held.sha256 if held else None,
            "label": printable(held.label, 80) if held else None,
            "state": unit.state,
            "verified": is_verified(places, slot, unit) or (slot == live and is_fit(places, slot, unit)),
            "pid": unit.pid,
            "restarts": int(unit.restarts or 0),
        }
    standby = bool(
        live and os.path.exists(f"{places.standby}/{OTHER[live]}") and slots[OTHER[live]]["verified"]
    )
    return {"live": live, "standby": standby, "slots": slots}


def compose(report: dict[str, Any], reason: str, log: list[str]) -> str:
    """The one line of JSON, with as many of the last log lines as fit."""
    report = dict(report, reason=printable(reason, REASON_CHARACTERS))
    lines = [printable(line.replace("\t", " "), LOG_LINE_CHARACTERS) for line in log if line.strip()]
    while True:
        text = json.dumps(dict(report, log=lines), ensure_ascii=False)
        if len(text.encode()) <= REPORT_BYTES or not lines:
            return text
        del lines[0]
