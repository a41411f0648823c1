"""What each slot holds, and whether the process that runs there was verified to serve it."""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import asdict
from typing import Any, NamedTuple

from twinslot.shared.constants import PORTS, VERSION
from twinslot.shared.settings_schema import Settings, accepted

from twinslot_host.command.context import Command, log_step
from twinslot_host.command.request import management_port
from twinslot_host.runtime.java import find
from twinslot_host.slot.environment import forget_environments, link_environment
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import point_link, read_object, read_text, remove, write_file
from twinslot_host.system.paths import Paths
from twinslot_host.system.procfs import boot_id, family, owner, owns, sockets, started_at
from twinslot_host.system.systemd import Unit, argument_file


class SlotContent(NamedTuple):
    """What a slot holds: a release, its source in S3, and what its process was started with.

    `java` is a version of Java, None for the host's preferred one when that has no known version;
    `environment` is the fingerprint of the environment, None when that is no longer stored.
    """

    sha256: str
    label: str
    source: list[str]
    settings: Settings
    java: int | None = None
    environment: str | None = None


def read_content(paths: Paths, slot: str) -> SlotContent | None:
    """Return what the slot holds, whether it runs or not. None: nothing, or this version cannot read it.

    Another version of twinslot may have written the file: what this one does not know is ignored.
    """
    value = read_object(paths.content(slot)) or {}
    sha256, label, source = value.get("sha256"), value.get("label"), value.get("source")
    java, environment = value.get("java"), value.get("environment")
    if not (isinstance(sha256, str) and isinstance(label, str) and isinstance(source, list)):
        return None
    if type(java) not in (int, type(None)) or not isinstance(environment, (str, type(None))):
        return None
    return SlotContent(sha256, label, source, accepted(value.get("settings")), java, environment)


def unreadable(paths: Paths) -> str:
    """Return which slot's file this version cannot read, and who wrote it; empty: both are readable."""
    for slot in PORTS:
        path = paths.content(slot)
        if os.path.exists(path) and not read_content(paths, slot):
            written_by = (read_object(path) or {}).get("written_by")
            found = f"was written by twinslot {written_by}, this is {VERSION}" if written_by else "is damaged"
            return f"{path} {found}"
    return ""


def write_content(paths: Paths, slot: str, content: SlotContent) -> None:
    """Write what a slot holds. The slot must not run."""
    value = dict(content._asdict(), settings=asdict(content.settings), written_by=VERSION)
    write_file(paths.content(slot), json.dumps(value), 0o600)


def write_start_files(paths: Paths, slot: str, content: SlotContent) -> None:
    """Write the files that the slot's unit reads at its start, all from what the slot holds.

    Raises StepFailed when the environment or the Java that it was staged with is gone.
    """
    group = pwd.getpwnam(paths.user()).pw_gid
    if not link_environment(paths, slot, content.environment):
        raise StepFailed(
            f"the environment that {content.label} in {slot} was staged with is gone: upload the jar again"
        )
    lines = [f"SERVER_PORT={PORTS[slot]}", f"TWINSLOT_JAR={paths.release(content.sha256)}/app.jar"]
    port = management_port(content.settings, slot)
    if port is not None:
        lines.append(f"MANAGEMENT_SERVER_PORT={port}")
    write_file(f"{paths.slots}/{slot}.env", "\n".join(lines) + "\n", 0o640, group)
    write_file(f"{paths.slots}/{slot}.args", argument_file(content.settings.java_options), 0o640, group)
    point_link(f"{paths.slots}/{slot}", os.path.relpath(paths.release(content.sha256), paths.slots))
    if not link_java(paths, slot, content):
        raise StepFailed(
            f"Java {content.java}, which {content.label} in {slot} was staged with, is gone: install it again"
        )


def link_java(paths: Paths, slot: str, content: SlotContent) -> bool:
    """Link the slot to the Java that it was staged with. Returns False when that is not installed."""
    java = find(content.java)
    if java:
        point_link(paths.jdk(slot), java.home)
    return bool(java)


def process_record(content: SlotContent, pid: int) -> dict[str, Any]:
    """Return what identifies this very process of this release: a later process with its id differs."""
    return {"sha256": content.sha256, "pid": pid, "started": started_at(pid), "boot": boot_id()}


def record_verified(paths: Paths, slot: str, content: SlotContent, pid: int) -> None:
    """Record that this very process was verified to serve this release."""
    write_file(f"{paths.verified}/{slot}.json", json.dumps(process_record(content, pid)))


def is_verified(paths: Paths, slot: str, unit: Unit) -> bool:
    """Return whether the running process is the one that was verified, with what the slot holds."""
    content = read_content(paths, slot)
    if not content or unit.state != "active" or not unit.pid:
        return False
    recorded = read_object(f"{paths.verified}/{slot}.json") or {}
    return all(recorded.get(name) == value for name, value in process_record(content, unit.pid).items())


def port_mismatch(paths: Paths, slot: str, content: SlotContent, pid: int) -> str:
    """Return why this process does not serve the slot; empty: it runs the slot's jar and owns its port."""
    jar = f"{paths.release(content.sha256)}/app.jar"
    if jar not in (read_text(f"/proc/{pid}/cmdline") or "").split("\0"):
        return f"its process {pid} does not run {jar}"
    port = PORTS[slot]
    listening = sockets(port, "0A")
    if not any(owns(member, inode) for member in family(pid) for inode in listening):
        return f"it is healthy, but port {port} belongs to {owner(port) or 'no process'}: use SERVER_PORT"
    return ""


def clear_verified(paths: Paths, slot: str) -> None:
    """Remove the slot's standby flag and its record of verification, before anything changes its process."""
    if remove(f"{paths.standby}/{slot}"):
        log_step(f"took the standby flag from {slot}")
    remove(f"{paths.verified}/{slot}.json")


def forget_unused_environments(paths: Paths) -> None:
    """Remove every environment that no slot holds. While a slot's file is unreadable nothing is removed."""
    if not unreadable(paths):
        contents = (read_content(paths, slot) for slot in PORTS)
        forget_environments(paths, *(content.environment for content in contents if content))


def slot_of(command: Command, sha256: str, units: dict[str, Unit]) -> str | None:
    """Return the slot that holds the release, None when neither does.

    If both hold these bytes, the one that holds this very upload, and of two such the verified one.
    """
    paths, release = command.paths, command.release
    holders = []
    for slot in PORTS:
        content = read_content(paths, slot)
        if content and content.sha256 == sha256:
            holders.append((content.source == release.source, is_verified(paths, slot, units[slot]), slot))
    return max(holders)[2] if holders else None
