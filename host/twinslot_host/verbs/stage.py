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
from twinslot_host.slot.state import Held, hold, read_held, serves
from twinslot_host.system.paths import OTHER, PORTS
from twinslot_host.system.subprocesses import must
from twinslot_host.system.systemd import both_units
from twinslot_host.verbs.provision import prepare
from twinslot_host.verbs.retire import retire_after

UNFLIPPED_SECONDS = 3600  # how long what was staged runs if no flip comes, because another host failed


def is_ready(command: Command, fits: Callable[[Held], bool]) -> bool:
    """Whether a slot that fits serves already; one that is not live keeps running for the flip to come."""
    units, idle = both_units(command.places), idle_slot(command.places)
    for slot in PORTS:
        held = read_held(command.places, slot)
        if held and fits(held) and serves(command.places, slot, units[slot]):
            if slot == idle:
                retire_after(command, UNFLIPPED_SECONDS)
            return True
    return False


def stage(command: Command) -> None:
    """Puts the release into the idle slot, starts it there and verifies it. Users are untouched."""
    places, release = command.places, command.release
    settings = command.request.settings
    with command.timed("provision"):
        prepare(command, NGINX)
    sha256 = place(command)
    # A slot that took this very upload is taken as it is: going back asks nobody, also when AWS is away.
    if is_ready(command, lambda held: (held.sha256, held.source) == (sha256, release.source)):
        return
    environment = command.steadily(lambda: read_environment(places.app))
    version = wanted(settings, places.release(sha256) + "/app.jar")
    mark = fingerprint(places, environment)

    def would_be_the_same(held: Held) -> bool:
        """Whether it has the same bytes, and was started with what staging would start them with."""
        return (
            held.sha256 == sha256
            and held.settings.java_options == settings.java_options
            and held.settings.management_port == settings.management_port
            and version in (None, held.java)
            and held.environment == mark
        )

    if is_ready(command, would_be_the_same):
        return
    java = ensure_java(command, version)
    idle = idle_slot(places)
    retire_after(command, UNFLIPPED_SECONDS)
    stop_slot(command, idle)
    if both_units(places)[idle].enabled:
        must("systemctl", "disable", "--no-reload", places.unit(idle))
    keep(places, environment)
    hold(places, idle, Held(sha256, release.label, release.source, settings, java.version, mark))
    step(f"{idle} holds the release")
    prune(places, sha256)
    held = read_held(places, OTHER[idle])
    forget_environments(places, mark, held.environment if held else None)
    start_slot(command, idle)
