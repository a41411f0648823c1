"""The verb stage."""

from __future__ import annotations

from collections.abc import Callable

from twinslot_host.command.context import Command, step
from twinslot_host.nginx.control import idle_slot
from twinslot_host.runtime.java import ensure_java, wanted
from twinslot_host.runtime.packages import NGINX
from twinslot_host.slot.environment import (
    fingerprint,
    forget_environments,
    keep,
    read_environment,
)
from twinslot_host.slot.process import start_slot, stop_slot
from twinslot_host.slot.releases import place, prune
from twinslot_host.slot.state import SlotContent, read_content, serves, write_content
from twinslot_host.system.paths import OTHER, PORTS
from twinslot_host.system.subprocesses import check_run
from twinslot_host.system.systemd import both_units
from twinslot_host.verbs.provision import prepare
from twinslot_host.verbs.retire import retire_after

UNFLIPPED_SECONDS = 3600  # how long what was staged runs if no flip comes, because another host failed


def is_ready(command: Command, fits: Callable[[SlotContent], bool]) -> bool:
    """Whether a slot that fits serves already; one that is not live keeps running for the flip to come."""
    units, idle = both_units(command.paths), idle_slot(command.paths)
    for slot in PORTS:
        content = read_content(command.paths, slot)
        if content and fits(content) and serves(command.paths, slot, units[slot]):
            if slot == idle:
                retire_after(command, UNFLIPPED_SECONDS)
            return True
    return False


def stage(command: Command) -> None:
    """Puts the release into the idle slot, starts it there and verifies it. Users are untouched."""
    paths, release = command.paths, command.release
    settings = command.request.settings
    with command.timed("provision"):
        prepare(command, NGINX)
    sha256 = place(command)
    # A slot that took this very upload is taken as it is: going back asks nobody, also when AWS is away.
    if is_ready(command, lambda content: (content.sha256, content.source) == (sha256, release.source)):
        return
    environment = command.steadily(lambda: read_environment(paths.app))
    version = wanted(settings, paths.release(sha256) + "/app.jar")
    mark = fingerprint(paths, environment)

    def would_be_the_same(content: SlotContent) -> bool:
        """Whether it has the same bytes, and was started with what staging would start them with."""
        return (
            content.sha256 == sha256
            and content.settings.java_options == settings.java_options
            and content.settings.management_port == settings.management_port
            and version in (None, content.java)
            and content.environment == mark
        )

    if is_ready(command, would_be_the_same):
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
    step(f"{idle} holds the release")
    prune(paths, sha256)
    content = read_content(paths, OTHER[idle])
    forget_environments(paths, mark, content.environment if content else None)
    start_slot(command, idle)
