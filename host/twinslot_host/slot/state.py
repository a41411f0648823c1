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
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import point_link, read_json, read_text, remove, write_file
from twinslot_host.system.http import ask
from twinslot_host.system.paths import PORTS, Paths
from twinslot_host.system.procfs import boot_id, family, owner, owns, sockets, started_at
from twinslot_host.system.systemd import Unit, argument_file

HEALTH_SECONDS = 5.0  # how long one answer of the health path may take


class SlotContent(NamedTuple):
    """What a slot holds: a release, where it came from, the settings that its process was given, the version
    of Java that runs it (None: the one that the host prefers, which does not say), and the fingerprint of
    the environment that it was given (None: that is not kept any more)."""

    sha256: str
    label: str
    source: list[str]
    settings: Settings
    java: int | None = None
    environment: str | None = None


def read_content(paths: Paths, slot: str) -> SlotContent | None:
    """What the slot holds, whether it runs or not."""
    value = read_json(paths.content(slot))
    if value is None:
        return None
    settings, java = as_settings(value["settings"]), value.get("java")
    return SlotContent(
        value["sha256"], value["label"], value["source"], settings, java, value.get("environment")
    )


def write_content(paths: Paths, slot: str, content: SlotContent) -> None:
    """Gives a slot its release. The slot must not run."""
    value = dict(content._asdict(), settings=content.settings._asdict())
    write_file(paths.content(slot), json.dumps(value), 0o600)


def lay_out(paths: Paths, slot: str, content: SlotContent) -> None:
    """Writes what the unit reads when it starts: everything of it follows from what the slot holds."""
    group = pwd.getpwnam(paths.user()).pw_gid
    if not lay_environment(paths, slot, content.environment):
        raise StepFailed(
            f"the environment that {content.label} in {slot} was staged with is gone: upload it again"
        )
    lines = [f"SERVER_PORT={PORTS[slot]}", f"TWINSLOT_JAR={paths.release(content.sha256)}/app.jar"]
    port = management_port(content.settings, slot)
    if port is not None:
        lines.append(f"MANAGEMENT_SERVER_PORT={port}")
    write_file(f"{paths.slots}/{slot}.env", "\n".join(lines) + "\n", 0o640, group)
    write_file(f"{paths.slots}/{slot}.args", argument_file(content.settings.java_options), 0o640, group)
    point_link(f"{paths.slots}/{slot}", os.path.relpath(paths.release(content.sha256), paths.slots))
    if not lay_java(paths, slot, content):
        raise StepFailed(
            f"Java {content.java}, which {content.label} in {slot} was staged with, is gone: install it again"
        )


def lay_java(paths: Paths, slot: str, content: SlotContent) -> bool:
    """Points the slot to the Java that it was staged with, by its own place. False: it is not here."""
    java = find(content.java)
    if java:
        point_link(paths.jdk(slot), java.home)
    return bool(java)


def record_verified(paths: Paths, slot: str, content: SlotContent, pid: int) -> None:
    """Notes that this very process was verified to serve this release."""
    record = {"sha256": content.sha256, "pid": pid, "started": started_at(pid), "boot": boot_id()}
    write_file(f"{paths.verified}/{slot}.json", json.dumps(record))


def is_verified(paths: Paths, slot: str, unit: Unit) -> bool:
    """Whether the process that runs now is the one that was verified, with what the slot holds."""
    content = read_content(paths, slot)
    if not content or unit.state != "active" or not unit.pid:
        return False
    record = {"sha256": content.sha256, "pid": unit.pid, "started": started_at(unit.pid), "boot": boot_id()}
    return bool(read_json(f"{paths.verified}/{slot}.json") == record)


def health(content: SlotContent, slot: str, timeout: float = HEALTH_SECONDS) -> str:
    """Asks a slot for its health. Empty: it is well. Else what it answered."""
    port = management_port(content.settings, slot) or PORTS[slot]
    answer = ask(port, content.settings.health_path, timeout)
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


def port_mismatch(paths: Paths, slot: str, content: SlotContent, pid: int) -> str:
    """Why this process is not the one for the slot. Empty: it runs what the slot holds and owns its port."""
    jar = f"{paths.release(content.sha256)}/app.jar"
    if jar not in (read_text(f"/proc/{pid}/cmdline") or "").split("\0"):
        return f"its process {pid} does not run {jar}"
    port = PORTS[slot]
    listening = sockets(port, "0A")
    if not any(owns(member, inode) for member in family(pid) for inode in listening):
        return f"it is well, but port {port} belongs to {owner(port) or 'nobody'}: obey SERVER_PORT"
    return ""


def serves(paths: Paths, slot: str, unit: Unit) -> bool:
    """Whether the slot's verified process is alive and well at this moment."""
    content = read_content(paths, slot)
    return bool(content and is_verified(paths, slot, unit) and not health(content, slot))


def clear_verified(paths: Paths, slot: str) -> None:
    """The slot is no standby and not verified any more. Comes before anything that touches its process."""
    if remove(f"{paths.standby}/{slot}"):
        step(f"took the standby flag from {slot}")
    remove(f"{paths.verified}/{slot}.json")


def slot_of(command: Command, sha256: str, units: dict[str, Unit]) -> str | None:
    """The slot that holds the release. If both hold these bytes, then the one that took them from this very
    upload, and of two such the verified one."""
    paths, release = command.paths, command.release
    holders = []
    for slot in PORTS:
        content = read_content(paths, slot)
        if content and content.sha256 == sha256:
            holders.append((content.source == release.source, is_verified(paths, slot, units[slot]), slot))
    return max(holders)[2] if holders else None
