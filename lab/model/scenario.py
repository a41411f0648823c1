"""Where a run begins, and how one goes on when nothing unexpected happens any more."""

from __future__ import annotations

from lab.model.actions import MINUTE, SILENCE, Action, make
from lab.model.aggregate import application
from lab.model.controllers import Controllers
from lab.model.host import Fate, Host
from lab.model.state import State

EPOCH = 1_790_000_000.0
BEGIN = EPOCH + 10_000.0
"""When a run begins: by then the deployments before it are long over."""

BEFORE = ("a", "b")
"""Releases that went live before the run: `b` is live and `a` the previous one, warm."""


MAX_ACTIONS = 500
"""Of a deployment that meets no fault: far more than it takes."""


def settled(hosts: int, controllers: Controllers) -> State:
    """An app that had two good deployments."""
    state = State(EPOCH, (), {}, (Host(),) * hosts, (), frozenset(), ())
    for name in BEFORE:
        state = make(state, Action("happen", name), controllers)
        state = make(state, Action("begin", ("upload", name)), controllers)
        moved = 0
        while state.running or application(state).current:
            state = make(state, quiesce(state, silent=False), controllers)
            moved += 1
            if moved > MAX_ACTIONS:
                raise AssertionError(f"a deployment without any fault does not end: {application(state)}")
    return state._replace(now=BEGIN, inputs=(), commands=())


def quiesce(state: State, silent: bool) -> Action:
    """What comes next when events do not come any more, but ticks do, and no controller dies. Hosts are
    silent from now on, so that only deadlines end what they were sent, or carry it out well."""
    if state.running:
        return Action("call", 0)
    if silent:
        return Action("wait", SILENCE)
    for place in range(len(state.hosts)):
        for command in state.commands:
            if not command.parts[place].over:
                return Action("host", (place, command.id, Fate.WELL))
    return Action("wait", MINUTE)
