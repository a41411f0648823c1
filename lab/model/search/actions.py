"""What can happen next, the state afterwards, and how a trace describes it.

An action is free, or a fault, of which a run has a bounded number:

    free    an upload, or a call to roll back, freeze or unfreeze; a host replaced by an empty one; an event
            is delivered, in any order and any number of times, including none; a scheduled check at once or a
            minute later; a host carries out a command, however late; a controller's next call
    fault   a controller dies, or starts while another runs; AWS throttles a call, or its answer is lost; on a
            host a release does not become or stay healthy, or a command is killed halfway, or a warm process
            ends; ten minutes pass without an event
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lab.model.system.calls import Call
from lab.model.system.controllers import Controllers
from lab.model.system.fake_aws import HOSTS, CallFailure
from lab.model.system.host import Host, HostResult, Part, Slot, carry_out, results
from lab.model.system.process import Process
from lab.model.system.state import Input, State, serve

MINUTE = 60.0
SILENCE = 660.0
"""Seconds; longer than any deadline of the lifecycle under the default settings."""

SECOND = 1.0
UPLOADS = "ux"
CALLS = {"r": "rollback", "i": "inspect", "h": "freeze", "g": "unfreeze"}
"""Functions that are invoked at once, by input. An upload comes as an event, which may be late or lost."""

REPLACED = 0
"""The index of the host that an input `n…` replaces."""

SCHEDULE = ("schedule",)
FAILURES = {
    "write": (CallFailure.THROTTLED, CallFailure.UNANSWERED),
    "send": (CallFailure.THROTTLED, CallFailure.UNANSWERED),
    "publish": (CallFailure.THROTTLED, CallFailure.UNANSWERED),
    "commands": (CallFailure.THROTTLED,),
    "results": (CallFailure.THROTTLED,),
}
"""How each call can fail. A failed read ends its controller, which is the same as to die there."""


class Action(NamedTuple):
    """`what` is its object: an input, a start, a controller's index, (host, command, result)…"""

    kind: str
    what: Any = None
    fault: bool = False


class Bounds(NamedTuple):
    """The inputs of each kind, in the order in which they happen, and how many controllers may run at
    once."""

    uploads: tuple[str, ...] = ("u1", "u2")
    rollbacks: tuple[str, ...] = ("r1",)
    inspections: tuple[str, ...] = ()
    freezes: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    controllers: int = 2


def actions(state: State, bounds: Bounds) -> Iterator[Action]:
    """Yield all that can happen next."""
    for place, process in enumerate(state.running):
        yield Action("call", place)
        yield Action("die", place, fault=True)
        call = process.node.call
        for failure in FAILURES.get(call.kind, ()) if call else ():
            yield Action("failure", (place, failure), fault=True)
    yield from _on_hosts(state)
    if len(state.running) < bounds.controllers:
        for start in _starts(state):
            yield Action("begin", start, fault=bool(state.running))
    if not state.running:
        happened = {happened.name for happened in state.inputs}
        for names in bounds[:-1]:
            following = next((name for name in names if name not in happened), None)
            if following:
                yield Action("happen", following)
        yield Action("wait", MINUTE)
        yield Action("wait", SILENCE, fault=True)


def _starts(state: State) -> Iterator[tuple[str, ...]]:
    for happened in state.inputs:
        if happened.name[0] in UPLOADS:
            yield ("upload", happened.name)
        elif happened.name[0] == "r":
            yield ("rollback", happened.name)
        elif happened.name[0] == "n" and not any(command.verb == "report" for command in state.commands):
            yield ("ready", happened.name)
    for command in state.commands[-1:] if state.running else state.commands:
        if command.is_over:
            yield ("notice", command.id)
    yield SCHEDULE


def _on_hosts(state: State) -> Iterator[Action]:
    for place, host in enumerate(state.hosts):
        for command in state.commands:
            if not command.parts[place].over:
                for result in (HostResult.SUCCESS,) if state.running else results(host, command):
                    yield Action("host", (place, command.id, result), fault=result is not HostResult.SUCCESS)
        if not state.running and host.live is not None and host.slots[1 - host.live].verified:
            yield Action("standby_ends", place, fault=True)


def apply(state: State, action: Action, controllers: Controllers) -> State:
    """Return the state after an action."""
    what = action.what
    match action.kind:
        case "call":
            return _call(state, what, None, controllers)
        case "failure":
            place, failure = what
            return _call(state, place, failure, controllers)
        case "die":
            return state._replace(running=_without(state.running, what))
        case "begin":
            return begin(state, what, controllers)
        case "happen":
            now = state.now + SECOND
            happened = state._replace(now=now, inputs=(*state.inputs, Input(what, now)))
            if what[0] == "n":
                return _replaced(happened)
            return begin(happened, (CALLS[what[0]], what), controllers) if what[0] in CALLS else happened
        case "wait":
            return begin(state._replace(now=state.now + what), SCHEDULE, controllers)
        case "host":
            return _carry_out(state, *what)
        case "standby_ends":
            return _standby_ends(state, what)
        case _:
            raise NotImplementedError(action.kind)


def begin(state: State, start: tuple[str, ...], controllers: Controllers) -> State:
    """Start a controller, and make its first call."""
    process = controllers.begin(start, state)
    begun = state._replace(running=(*state.running, process))
    return _call(begun, len(state.running), None, controllers) if process.node.call else state


def _call(state: State, place: int, failure: CallFailure | None, controllers: Controllers) -> State:
    process = state.running[place]
    call: Call | None = process.node.call
    if call is None:
        raise AssertionError(f"this controller has ended: {process.node.error}")
    answer: Any
    if failure is CallFailure.THROTTLED:
        after, answer = state, failure
    else:
        after, answer = serve(state, call)
        answer = failure or answer
    process = controllers.answered(process, answer, after)
    if process.node.call or process.node.error:
        return after._replace(running=(*state.running[:place], process, *state.running[place + 1 :]))
    return after._replace(running=_without(state.running, place))


def _without(running: tuple[Process, ...], place: int) -> tuple[Process, ...]:
    return running[:place] + running[place + 1 :]


def _carry_out(state: State, place: int, id: str, result: HostResult) -> State:
    command = next(command for command in state.commands if command.id == id)
    host, part = carry_out(state.hosts[place], command, result)
    after = command._replace(parts=(*command.parts[:place], part, *command.parts[place + 1 :]))
    commands = tuple(after if each.id == id else each for each in state.commands)
    return state._replace(hosts=(*state.hosts[:place], host, *state.hosts[place + 1 :]), commands=commands)


def _replaced(state: State) -> State:
    """Replace a host by an empty one: the commands sent to it are over."""
    old = state.hosts[REPLACED]
    commands = tuple(
        command._replace(parts=tuple(_cut(part) if at == REPLACED else part for at, part in parts))
        for command in state.commands
        if (parts := tuple(enumerate(command.parts)))
    )
    # The old host's fence is kept for the invariant that no older command acts.
    hosts = (*state.hosts[:REPLACED], Host(acted=old.acted, renewed=True), *state.hosts[REPLACED + 1 :])
    return state._replace(hosts=hosts, commands=commands)


def _cut(part: Part) -> Part:
    return part if part.over else Part(over=True)


def _standby_ends(state: State, place: int) -> State:
    host = state.hosts[place]
    slots = tuple(
        slot if number == host.live else Slot(slot.release, False) for number, slot in enumerate(host.slots)
    )
    host = host._replace(slots=(slots[0], slots[1]))
    return state._replace(hosts=(*state.hosts[:place], host, *state.hosts[place + 1 :]))


def words(state: State, action: Action) -> str:
    """Return how a trace describes an action in the state in which it happens."""
    what = action.what
    match action.kind:
        case "call":
            return f"controller {_who(state, what)} {_described(state.running[what].node.call)}"
        case "failure":
            place, failure = what
            result = (
                "AWS throttles it"
                if failure is CallFailure.THROTTLED
                else "it is done, but its answer is lost"
            )
            return f"controller {_who(state, place)} {_described(state.running[place].node.call)}: {result}"
        case "die":
            return (
                f"controller {_who(state, what)} dies before it {_described(state.running[what].node.call)}"
            )
        case "begin":
            return f"a controller starts, for {_reason(what)}"
        case "happen" if what[0] in CALLS:
            return f"a controller is called to {CALLS[what[0]]}"
        case "happen":
            replaced = f"host {HOSTS[REPLACED]} is replaced by an empty one"
            return replaced if what[0] == "n" else f"{what} is uploaded"
        case "wait":
            return f"{what:.0f} s pass, then a controller starts, for {_reason(SCHEDULE)}"
        case "host":
            place, command, result = what
            return f"host {HOSTS[place]} carries out {_name(command)}: {result.value}"
        case "standby_ends":
            return f"on host {HOSTS[what]} the warm process ends"
        case _:
            raise NotImplementedError(action.kind)


def _who(state: State, place: int) -> str:
    return f"{place + 1} (for {_reason(state.running[place].start)})"


def _reason(start: tuple[str, ...]) -> str:
    match start:
        case ("notice", command):
            return f"the end of {_name(command)}"
        case (kind, name):
            return f"{kind} {name}"
        case _:
            return "a scheduled check"


def _name(id: str) -> str:
    deployment, step, repeat = id.split("/")
    return f"{step} of {deployment}" + (f" (sent again, {repeat})" if repeat != "0" else "")


def _described(call: Call | None) -> str:
    if call is None:
        return "ends"
    match call.kind:
        case "get":
            return f"loads {call.what[1]}"
        case "write":
            return "saves " + ", ".join(put.key[1] for put in call.what)
        case "send":
            return f"sends {call.what.step} of {call.what.deployment}, fence {call.what.fence}"
        case "publish":
            return f"announces {call.what[0]} as {call.what[1]}"
        case "results":
            return f"reads the results of {_name(call.what)}"
        case "commands":
            return "searches SSM for the command"
        case "history":
            return "reads the history"
        case _:
            return "queries the busy apps"
