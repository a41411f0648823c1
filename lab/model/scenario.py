"""Where a run begins, and how one goes on when nothing unexpected happens any more."""

from __future__ import annotations

from lab.model.actions import MINUTE, SILENCE, Move, make
from lab.model.aggregate import application
from lab.model.host import Fate, Host
from lab.model.process import Controllers
from lab.model.state import World

EPOCH = 1_790_000_000.0
BEGIN = EPOCH + 10_000.0
"""When a run begins: by then the deployments before it are long over."""

BEFORE = ("a", "b")
"""Releases that went live before the run: `b` is live and `a` the previous one, warm."""


MOST_MOVES = 500
"""Of a deployment that meets no fault: far more than it takes."""


def settled(hosts: int, controllers: Controllers) -> World:
    """An app that had two good deployments."""
    world = World(EPOCH, (), {}, (Host(),) * hosts, (), frozenset(), ())
    for name in BEFORE:
        world = make(world, Move("happen", name), controllers)
        world = make(world, Move("begin", ("upload", name)), controllers)
        moved = 0
        while world.running or application(world).current:
            world = make(world, calm(world, silent=False), controllers)
            moved += 1
            if moved > MOST_MOVES:
                raise AssertionError(f"a deployment without any fault does not end: {application(world)}")
    return world._replace(now=BEGIN, inputs=(), commands=())


def calm(world: World, silent: bool) -> Move:
    """What comes next when events do not come any more, but ticks do, and no controller dies. Hosts are
    silent from now on, so that only deadlines end what they were sent, or carry it out well."""
    if world.running:
        return Move("call", 0)
    if silent:
        return Move("wait", SILENCE)
    for place in range(len(world.hosts)):
        for command in world.commands:
            if not command.parts[place].over:
                return Move("host", (place, command.id, Fate.WELL))
    return Move("wait", MINUTE)
