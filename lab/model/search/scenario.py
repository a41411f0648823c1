"""The initial state of a run, and how a run goes on when no more faults happen."""

from __future__ import annotations

from lab.model.search.actions import MINUTE, SILENCE, Action, apply
from lab.model.system.aggregate import application
from lab.model.system.controllers import Controllers
from lab.model.system.host import Host, HostResult
from lab.model.system.state import State

EPOCH = 1_790_000_000.0
BEGIN = EPOCH + 10_000.0
"""When a run begins: long after the deployments before it."""

BEFORE = ("a", "b")
"""Releases that went live before the run: `b` is live and `a` the previous one, warm."""


MAX_ACTIONS = 500
"""Far more than a deployment without a fault takes."""


def settled(hosts: int, controllers: Controllers) -> State:
    """Return the state of an app after two good deployments."""
    state = State(EPOCH, (), {}, (Host(),) * hosts, (), frozenset(), ())
    for name in BEFORE:
        state = apply(state, Action("happen", name), controllers)
        state = apply(state, Action("begin", ("upload", name)), controllers)
        moved = 0
        while state.running or application(state).current:
            state = apply(state, quiesce(state, silent=False), controllers)
            moved += 1
            if moved > MAX_ACTIONS:
                raise AssertionError(f"a deployment without a fault does not end: {application(state)}")
    return state._replace(now=BEGIN, inputs=(), commands=())


def quiesce(state: State, silent: bool) -> Action:
    """Return the next action of a run without further events or faults: only scheduled checks come. Hosts are
    `silent`, so that only deadlines end their commands, or carry them out successfully."""
    if state.running:
        return Action("call", 0)
    if silent:
        return Action("wait", SILENCE)
    for place in range(len(state.hosts)):
        for command in state.commands:
            if not command.parts[place].over:
                return Action("host", (place, command.id, HostResult.SUCCESS))
    return Action("wait", MINUTE)
