"""The timer's own verb: the old slot ends once its time is over."""

from __future__ import annotations

import time

from twinslot_host.command import Command, step
from twinslot_host.files import read_text, remove
from twinslot_host.places import OTHER, PORTS
from twinslot_host.processes import sockets
from twinslot_host.programs import must
from twinslot_host.proxy import live_slot
from twinslot_host.releases import prune
from twinslot_host.slots import forget
from twinslot_host.start import stop_slot

DRAIN_SECONDS = 300.0  # how long a slot past its time waits for its last connections


def retire(command: Command) -> None:
    """The timer's own verb: stops the old slot once its time is over and its last connection gone."""
    places = command.places
    due, live = read_text(places.retire_at), live_slot(places)
    if due is None or live is None:
        must("systemctl", "stop", places.retire_unit + ".timer")
        return
    if time.time() < float(due):
        return
    old = OTHER[live]
    forget(places, old)
    if sockets(PORTS[old], "01") and time.time() < float(due) + DRAIN_SECONDS:
        return
    must("systemctl", "disable", "--no-reload", places.unit(old))
    stop_slot(command, old)
    prune(places)
    remove(places.retire_at)
    step(f"retired {old}")
    must("systemctl", "stop", places.retire_unit + ".timer")
