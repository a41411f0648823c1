"""The verb stage."""

from __future__ import annotations

from twinslot_host.command import Command, step
from twinslot_host.environment import fingerprint, forget_environments, keep, read_environment
from twinslot_host.java import ensure_java, wanted
from twinslot_host.packages import NGINX
from twinslot_host.places import OTHER, PORTS
from twinslot_host.programs import must
from twinslot_host.provision import prepare
from twinslot_host.proxy import idle_slot
from twinslot_host.releases import place, prune
from twinslot_host.retire import retire_after
from twinslot_host.slots import Held, hold, read_held, serves
from twinslot_host.start import start_slot, stop_slot
from twinslot_host.units import both_units

UNFLIPPED_SECONDS = 3600  # how long what was staged runs if no flip comes, because another host failed


def fits(held: Held, command: Command, sha256: str, version: int | None, mark: str) -> bool:
    """Whether a slot already is what staging would make of it: it took this very upload, or it has the same
    bytes and would be started with the same options and environment by the same version of Java."""
    settings = command.request.settings
    same_process = (
        held.settings.java_options == settings.java_options
        and held.settings.management_port == settings.management_port
        and version in (None, held.java)
        and held.environment == mark
    )
    return held.sha256 == sha256 and (held.source == command.release.source or same_process)


def stage(command: Command) -> None:
    """Puts the release into the idle slot, starts it there and verifies it. Users are untouched."""
    places, release = command.places, command.release
    with command.timed("provision"):
        prepare(command, NGINX)
    environment = command.steadily(lambda: read_environment(places.app))
    sha256 = place(command)
    version = wanted(command.request.settings, places.release(sha256) + "/app.jar")
    mark = fingerprint(places, environment)
    units, idle = both_units(places), idle_slot(places)
    for slot in PORTS:
        held = read_held(places, slot)
        if held and fits(held, command, sha256, version, mark) and serves(places, slot, units[slot]):
            if slot == idle:
                retire_after(command, UNFLIPPED_SECONDS)
            return
    java = ensure_java(command, version)
    retire_after(command, UNFLIPPED_SECONDS)
    stop_slot(command, idle)
    if units[idle].enabled:
        must("systemctl", "disable", "--no-reload", places.unit(idle))
    keep(places, environment)
    settings = command.request.settings
    hold(places, idle, Held(sha256, release.label, release.source, settings, java.version, mark))
    step(f"{idle} holds the release")
    prune(places, sha256)
    held = read_held(places, OTHER[idle])
    forget_environments(places, mark, held.environment if held else None)
    start_slot(command, idle)
