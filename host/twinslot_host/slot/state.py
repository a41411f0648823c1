"""The two slots: what each holds, and whether the process that runs there was verified to serve it."""

from __future__ import annotations

import json
import os
import pwd
from typing import NamedTuple

from twinslot_host.command.context import Command, step
from twinslot_host.command.request import Settings, as_settings, management_port
from twinslot_host.runtime.java import find
from twinslot_host.slot.environment import lay_environment
from twinslot_host.system.errors import Trouble
from twinslot_host.system.files import point_link, read_json, read_text, remove, write_file
from twinslot_host.system.http import ask
from twinslot_host.system.paths import PORTS, Places
from twinslot_host.system.procfs import boot_id, family, owner, owns, sockets, started_at
from twinslot_host.system.systemd import Unit, argument_file

HEALTH_SECONDS = 5.0  # how long one answer of the health path may take


class Held(NamedTuple):
    """What a slot holds: a release, where it came from, the settings that its process was given, the version
    of Java that runs it (None: the one that the host prefers, which does not say), and the fingerprint of
    the environment that it was given (None: that is not kept any more)."""

    sha256: str
    label: str
    source: list[str]
    settings: Settings
    java: int | None = None
    environment: str | None = None


def read_held(places: Places, slot: str) -> Held | None:
    """What the slot holds, whether it runs or not."""
    value = read_json(places.held(slot))
    if value is None:
        return None
    settings, java = as_settings(value["settings"]), value.get("java")
    return Held(value["sha256"], value["label"], value["source"], settings, java, value.get("environment"))


def hold(places: Places, slot: str, held: Held) -> None:
    """Gives a slot its release. The slot must not run."""
    value = dict(held._asdict(), settings=held.settings._asdict())
    write_file(places.held(slot), json.dumps(value), 0o600)


def lay_out(places: Places, slot: str, held: Held) -> None:
    """Writes what the unit reads when it starts: everything of it follows from what the slot holds."""
    group = pwd.getpwnam(places.user()).pw_gid
    if not lay_environment(places, slot, held.environment):
        raise Trouble(f"the environment that {held.label} in {slot} was staged with is gone: upload it again")
    lines = [f"SERVER_PORT={PORTS[slot]}", f"TWINSLOT_JAR={places.release(held.sha256)}/app.jar"]
    port = management_port(held.settings, slot)
    if port is not None:
        lines.append(f"MANAGEMENT_SERVER_PORT={port}")
    write_file(f"{places.slots}/{slot}.env", "\n".join(lines) + "\n", 0o640, group)
    write_file(f"{places.slots}/{slot}.args", argument_file(held.settings.java_options), 0o640, group)
    point_link(f"{places.slots}/{slot}", os.path.relpath(places.release(held.sha256), places.slots))
    if not lay_java(places, slot, held):
        raise Trouble(
            f"Java {held.java}, which {held.label} in {slot} was staged with, is gone: install it again"
        )


def lay_java(places: Places, slot: str, held: Held) -> bool:
    """Points the slot to the Java that it was staged with, by its own place. False: it is not here."""
    java = find(held.java)
    if java:
        point_link(places.jdk(slot), java.home)
    return bool(java)


def record_verified(places: Places, slot: str, held: Held, pid: int) -> None:
    """Notes that this very process was verified to serve this release."""
    record = {"sha256": held.sha256, "pid": pid, "started": started_at(pid), "boot": boot_id()}
    write_file(f"{places.verified}/{slot}.json", json.dumps(record))


def is_verified(places: Places, slot: str, unit: Unit) -> bool:
    """Whether the process that runs now is the one that was verified, with what the slot holds."""
    held = read_held(places, slot)
    if not held or unit.state != "active" or not unit.pid:
        return False
    record = {"sha256": held.sha256, "pid": unit.pid, "started": started_at(unit.pid), "boot": boot_id()}
    return bool(read_json(f"{places.verified}/{slot}.json") == record)


def health(held: Held, slot: str, timeout: float = HEALTH_SECONDS) -> str:
    """Asks a slot for its health. Empty: it is well. Else what it answered."""
    port = management_port(held.settings, slot) or PORTS[slot]
    answer = ask(port, held.settings.health_path, timeout)
    if not answer.status:
        return f"no answer ({answer.text})"
    if not 200 <= answer.status < 300:
        return f"the answer {answer.status} {answer.text[:60]}".strip()
    try:
        value = json.loads(answer.text)
    except ValueError:
        return ""
    status = value.get("status", "UP") if isinstance(value, dict) else "UP"
    return "" if status == "UP" else f"the status {str(status)[:40]}"


def mistaken(places: Places, slot: str, held: Held, pid: int) -> str:
    """Why this process is not the one for the slot. Empty: it runs what the slot holds and owns its port."""
    jar = f"{places.release(held.sha256)}/app.jar"
    if jar not in (read_text(f"/proc/{pid}/cmdline") or "").split("\0"):
        return f"its process {pid} does not run {jar}"
    port = PORTS[slot]
    listening = sockets(port, "0A")
    if not any(owns(member, inode) for member in family(pid) for inode in listening):
        return f"it is well, but port {port} belongs to {owner(port) or 'nobody'}: obey SERVER_PORT"
    return ""


def serves(places: Places, slot: str, unit: Unit) -> bool:
    """Whether the slot's verified process is alive and well at this moment."""
    held = read_held(places, slot)
    return bool(held and is_verified(places, slot, unit) and not health(held, slot))


def forget(places: Places, slot: str) -> None:
    """The slot is no standby and not verified any more. Comes before anything that touches its process."""
    if remove(f"{places.standby}/{slot}"):
        step(f"took the standby flag from {slot}")
    remove(f"{places.verified}/{slot}.json")


def slot_of(command: Command, sha256: str, units: dict[str, Unit]) -> str | None:
    """The slot that holds the release. If both hold these bytes, then the one that took them from this very
    upload, and of two such the verified one."""
    places, release = command.places, command.release
    holders = []
    for slot in PORTS:
        held = read_held(places, slot)
        if held and held.sha256 == sha256:
            holders.append((held.source == release.source, is_verified(places, slot, units[slot]), slot))
    return max(holders)[2] if holders else None
