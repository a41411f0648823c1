"""The timer's own verb retire: the slot that is not live ends once its time is over."""

from __future__ import annotations

import time

from twinslot_host.command.context import Command, step
from twinslot_host.nginx.control import idle_slot
from twinslot_host.slot.environment import forget_environments
from twinslot_host.slot.process import stop_slot
from twinslot_host.slot.releases import prune
from twinslot_host.slot.state import forget, hold, read_held
from twinslot_host.system.files import read_text, remove, write_file
from twinslot_host.system.paths import OTHER, PORTS
from twinslot_host.system.procfs import sockets
from twinslot_host.system.subprocesses import must

DRAIN_SECONDS = 300.0  # how long a slot past its time waits for its last connections


def retire_after(command: Command, seconds: float) -> None:
    """Gives the slot that is not live this long, over a reboot too."""
    write_file(command.places.retire_at, str(int(time.time() + seconds)))
    must("systemctl", "start", command.places.retire_unit + ".timer")
    step(f"the idle slot has {seconds:.0f} s left")


def retire(command: Command) -> None:
    """Stops the slot that is not live once its time is over and its last connection gone."""
    places = command.places
    due, old = read_text(places.retire_at), idle_slot(places)
    if due is None:
        must("systemctl", "stop", places.retire_unit + ".timer")
        return
    if time.time() < float(due):
        return
    forget(places, old)
    if sockets(PORTS[old], "01") and time.time() < float(due) + DRAIN_SECONDS:
        return
    must("systemctl", "disable", "--no-reload", places.unit(old))
    stop_slot(command, old)
    prune(places)
    held, live = read_held(places, old), read_held(places, OTHER[old])
    if held:
        hold(places, old, held._replace(environment=None))
    forget_environments(places, live.environment if live else None)
    remove(places.retire_at)
    step(f"retired {old}")
    must("systemctl", "stop", places.retire_unit + ".timer")
