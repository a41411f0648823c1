"""What may happen next, what it makes of the world, and how to say it in words.

A move is free, or it is a fault that a run can bear only so many of:

    free    an upload, or a call for a rollback, a freeze or its end; a host that is replaced by an empty one;
            an event that comes, in any order and as often as it likes (or never: nothing has to come); a
            tick at once, or a minute on; a host that carries out a command, however late; a controller's call
    fault   a controller that dies; one that begins while another runs; a call that AWS throttles, or whose
            answer is lost; a host on which a release does not get or stay healthy, or whose command is killed
            halfway; a warm process that ends; ten minutes without anything
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lab.model.calls import Call
from lab.model.controllers import Controllers
from lab.model.fake_aws import HOSTS, Trouble
from lab.model.host import Fate, Host, Part, Slot, carry_out, fates
from lab.model.process import Process
from lab.model.state import Input, State, serve

MINUTE = 60.0
SILENCE = 660.0
"""Seconds; longer than any deadline of the lifecycle with the default settings."""

SECOND = 1.0
UPLOADS = "ux"
CALLS = {"r": "rollback", "i": "inspect", "h": "freeze", "g": "unfreeze"}
"""What is called for at once. Of an upload an event tells, which may come late or never."""

REPLACED = 0
"""The place of the host that an input `n…` replaces."""

TICK = ("tick",)
TROUBLED = {
    "write": (Trouble.THROTTLED, Trouble.UNANSWERED),
    "send": (Trouble.THROTTLED, Trouble.UNANSWERED),
    "publish": (Trouble.THROTTLED, Trouble.UNANSWERED),
    "commands": (Trouble.THROTTLED,),
    "results": (Trouble.THROTTLED,),
}
"""How calls fail. A read that fails ends its controller, as dying there does."""


class Action(NamedTuple):
    """`what` names its object: an input, a start, a controller's place, (host, command, fate)…"""

    kind: str
    what: Any = None
    fault: bool = False


class Bounds(NamedTuple):
    """`inputs` may happen in this order for each kind of input; at most so many controllers run at once."""

    uploads: tuple[str, ...] = ("u1", "u2")
    rollbacks: tuple[str, ...] = ("r1",)
    inspections: tuple[str, ...] = ()
    freezes: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    controllers: int = 2


def actions(state: State, bounds: Bounds) -> Iterator[Action]:
    """All that may happen next."""
    for place, process in enumerate(state.running):
        yield Action("call", place)
        yield Action("die", place, fault=True)
        call = process.node.call
        for trouble in TROUBLED.get(call.kind, ()) if call else ():
            yield Action("trouble", (place, trouble), fault=True)
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
    yield TICK


def _on_hosts(state: State) -> Iterator[Action]:
    for place, host in enumerate(state.hosts):
        for command in state.commands:
            if not command.parts[place].over:
                for fate in (Fate.WELL,) if state.running else fates(host, command):
                    yield Action("host", (place, command.id, fate), fault=fate is not Fate.WELL)
        if not state.running and host.live is not None and host.slots[1 - host.live].verified:
            yield Action("cool", place, fault=True)


def make(state: State, move: Action, controllers: Controllers) -> State:
    """The world after a move."""
    what = move.what
    match move.kind:
        case "call":
            return _call(state, what, None, controllers)
        case "trouble":
            place, trouble = what
            return _call(state, place, trouble, controllers)
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
            return begin(state._replace(now=state.now + what), TICK, controllers)
        case "host":
            return _carry_out(state, *what)
        case "cool":
            return _cool(state, what)
        case _:
            raise NotImplementedError(move.kind)


def begin(state: State, start: tuple[str, ...], controllers: Controllers) -> State:
    """A controller begins: its first call is made."""
    process = controllers.begin(start, state)
    begun = state._replace(running=(*state.running, process))
    return _call(begun, len(state.running), None, controllers) if process.node.call else state


def _call(state: State, place: int, trouble: Trouble | None, controllers: Controllers) -> State:
    process = state.running[place]
    call: Call | None = process.node.call
    if call is None:
        raise AssertionError(f"a controller that is done runs no more: {process.node.error}")
    answer: Any
    if trouble is Trouble.THROTTLED:
        after, answer = state, trouble
    else:
        after, answer = serve(state, call)
        answer = trouble or answer
    process = controllers.answered(process, answer, after)
    if process.node.call or process.node.error:
        return after._replace(running=(*state.running[:place], process, *state.running[place + 1 :]))
    return after._replace(running=_without(state.running, place))


def _without(running: tuple[Process, ...], place: int) -> tuple[Process, ...]:
    return running[:place] + running[place + 1 :]


def _carry_out(state: State, place: int, id: str, fate: Fate) -> State:
    command = next(command for command in state.commands if command.id == id)
    host, part = carry_out(state.hosts[place], command, fate)
    after = command._replace(parts=(*command.parts[:place], part, *command.parts[place + 1 :]))
    commands = tuple(after if each.id == id else each for each in state.commands)
    return state._replace(hosts=(*state.hosts[:place], host, *state.hosts[place + 1 :]), commands=commands)


def _replaced(state: State) -> State:
    """A host gives way to an empty one: what was sent to it is over."""
    old = state.hosts[REPLACED]
    commands = tuple(
        command._replace(parts=tuple(_cut(part) if at == REPLACED else part for at, part in parts))
        for command in state.commands
        if (parts := tuple(enumerate(command.parts)))
    )
    # Fences of the old one are kept for the promise that no older command acts.
    hosts = (*state.hosts[:REPLACED], Host(acted=old.acted, renewed=True), *state.hosts[REPLACED + 1 :])
    return state._replace(hosts=hosts, commands=commands)


def _cut(part: Part) -> Part:
    return part if part.over else Part(over=True)


def _cool(state: State, place: int) -> State:
    host = state.hosts[place]
    slots = tuple(
        slot if number == host.live else Slot(slot.release, False) for number, slot in enumerate(host.slots)
    )
    host = host._replace(slots=(slots[0], slots[1]))
    return state._replace(hosts=(*state.hosts[:place], host, *state.hosts[place + 1 :]))


def words(state: State, move: Action) -> str:
    """What a move is to a reader, in the world in which it is made."""
    what = move.what
    match move.kind:
        case "call":
            return f"controller {_who(state, what)} {_saying(state.running[what].node.call)}"
        case "trouble":
            place, trouble = what
            fate = "AWS throttles it" if trouble is Trouble.THROTTLED else "it is done, but no answer comes"
            return f"controller {_who(state, place)} {_saying(state.running[place].node.call)}: {fate}"
        case "die":
            return f"controller {_who(state, what)} dies before it {_saying(state.running[what].node.call)}"
        case "begin":
            return f"a controller begins, for {_reason(what)}"
        case "happen" if what[0] in CALLS:
            return f"a controller is called to {CALLS[what[0]]}"
        case "happen":
            replaced = f"host {HOSTS[REPLACED]} is replaced by an empty one"
            return replaced if what[0] == "n" else f"{what} is uploaded"
        case "wait":
            return f"{what:.0f} s pass, then a controller begins, for {_reason(TICK)}"
        case "host":
            place, command, fate = what
            return f"host {HOSTS[place]} carries out {_name(command)}: {fate.value}"
        case "cool":
            return f"on host {HOSTS[what]} the warm process ends"
        case _:
            raise NotImplementedError(move.kind)


def _who(state: State, place: int) -> str:
    return f"{place + 1} (for {_reason(state.running[place].start)})"


def _reason(start: tuple[str, ...]) -> str:
    match start:
        case ("notice", command):
            return f"the end of {_name(command)}"
        case (kind, name):
            return f"{kind} {name}"
        case _:
            return "a tick"


def _name(id: str) -> str:
    deployment, step, repeat = id.split("/")
    return f"{step} of {deployment}" + (f" (sent again, {repeat})" if repeat != "0" else "")


def _saying(call: Call | None) -> str:
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
            return f"reads what became of {_name(call.what)}"
        case "commands":
            return "looks for the command in SSM"
        case "history":
            return "looks through the history"
        case _:
            return "looks for busy apps"
