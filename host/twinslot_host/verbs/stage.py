"""The verb stage: start a release in the idle slot."""

from __future__ import annotations

from collections.abc import Callable

from twinslot.shared.constants import PORTS

from twinslot_host.command.context import Command, log_step
from twinslot_host.nginx.control import idle_slot
from twinslot_host.runtime.java import ensure_java, wanted
from twinslot_host.runtime.packages import NGINX
from twinslot_host.slot.environment import (
    fingerprint,
    keep,
    read_environment,
)
from twinslot_host.slot.health import serves
from twinslot_host.slot.process import start_slot, stop_slot
from twinslot_host.slot.releases import prune, store_release
from twinslot_host.slot.state import SlotContent, forget_unused_environments, read_content, write_content
from twinslot_host.system.subprocesses import check_run
from twinslot_host.system.systemd import both_units
from twinslot_host.verbs.provision import prepare
from twinslot_host.verbs.retire import retire_after

UNFLIPPED_SECONDS = 3600  # how long a staged slot runs without a flip: another host failed


def is_ready(command: Command, fits: Callable[[SlotContent], bool]) -> bool:
    """Return whether a slot whose content fits serves already.

    If it is idle, keep it running for the flip.
    """
    units, idle = both_units(command.paths), idle_slot(command.paths)
    for slot in PORTS:
        content = read_content(command.paths, slot)
        if content and fits(content) and serves(command.paths, slot, units[slot]):
            if slot == idle:
                retire_after(command, UNFLIPPED_SECONDS)
            return True
    return False


def stage(command: Command) -> None:
    """Put the release into the idle slot, start it there and verify it. The traffic does not change."""
    paths, release = command.paths, command.release
    settings = command.request.settings
    with command.timed("provision"):
        prepare(command, NGINX)
    sha256 = store_release(command)
    # A slot that holds this very upload is used as it is: a rollback needs no call of AWS.
    if is_ready(command, lambda content: (content.sha256, content.source) == (sha256, release.source)):
        return
    environment = command.with_retries(lambda: read_environment(paths.app))
    version = wanted(settings, paths.release(sha256) + "/app.jar")
    mark = fingerprint(paths, environment)

    def is_the_same(content: SlotContent) -> bool:
        """Return whether it has the same bytes, started with the same options, port, Java and environment."""
        return (
            content.sha256 == sha256
            and content.settings.java_options == settings.java_options
            and content.settings.management_port == settings.management_port
            and version in (None, content.java)
            and content.environment == mark
        )

    if is_ready(command, is_the_same):
        return
    java = ensure_java(command, version)
    idle = idle_slot(paths)
    retire_after(command, UNFLIPPED_SECONDS)
    stop_slot(command, idle)
    if both_units(paths)[idle].enabled:
        check_run("systemctl", "disable", "--no-reload", paths.unit(idle))
    keep(paths, environment)
    write_content(
        paths, idle, SlotContent(sha256, release.label, release.source, settings, java.version, mark)
    )
    log_step(f"{idle} holds the release")
    prune(paths, sha256)
    forget_unused_environments(paths)
    start_slot(command, idle)
