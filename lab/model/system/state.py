"""All that outlives a controller, and the effect of its calls. Pure: every change is a copy.

A call happens completely or not at all, as AWS guarantees; between two calls anything else may happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lab.model.system.calls import Call, Lost, Put, Sending
from lab.model.system.host import ELSEWHERE, Command, Host, Part
from lab.model.system.items import Key, item, version
from lab.model.system.process import Process


class Input(NamedTuple):
    """An input and its time: `u…` an upload, `x…` an upload that is not a jar, `r…` a rollback, `h…` a freeze
    and `g…` its end, `n…` a host replaced by an empty one, `i…` an inspection that is due."""

    name: str
    at: float


class State(NamedTuple):
    """`now` is in seconds; `inputs` are in the order they happened; `table` maps keys to items (see `item`);
    `commands` are in the order they were sent; `announced` holds (announcement, outcome, message); `running`
    are the controllers between two calls."""

    now: float
    inputs: tuple[Input, ...]
    table: Mapping[Key, int]
    hosts: tuple[Host, ...]
    commands: tuple[Command, ...]
    announced: frozenset[tuple[str, str, int]]
    running: tuple[Process, ...]


def serve(state: State, call: Call) -> tuple[State, Any]:
    """Return the state after a call, and the call's answer."""
    what = call.what
    match call.kind:
        case "get":
            return state, state.table.get(what)
        case "write":
            return _write(state, what)
        case "apps":
            return state, tuple(
                held for held in state.table.values() if item(held).get("busy", {}).get("S") == what
            )
        case "history":
            keys = sorted((key for key in state.table if key[0] == what and key[1] != "STATE"), reverse=True)
            return state, tuple(state.table[key] for key in keys)
        case "send":
            return _send(state, what)
        case "commands":
            return state, tuple(command.id for command in state.commands)
        case "results":
            return state, next((command.parts for command in state.commands if command.id == what), ())
        case "publish":
            return state._replace(announced=state.announced | {what}), None
        case _:
            raise NotImplementedError(call.kind)


def _write(state: State, puts: tuple[Put, ...]) -> tuple[State, Lost | None]:
    """Do all puts, or none when a condition fails."""
    for put in puts:
        found = state.table.get(put.key)
        if put.condition is not None and (put.condition or None) != (
            None if found is None else version(found)
        ):
            return state, Lost(found)
    return state._replace(table={**state.table, **{put.key: put.item for put in puts}}), None


def _send(state: State, sending: Sending) -> tuple[State, str]:
    """Send a command. SSM has no idempotency token: the same command twice is two commands."""
    name = f"{sending.deployment or 'app'}/{sending.step}"
    repeats = sum(command.id.rpartition("/")[0] == name for command in state.commands)
    parts = tuple(Part() if place in sending.hosts else ELSEWHERE for place in range(len(state.hosts)))
    command = Command(f"{name}/{repeats}", *sending[1:], parts)
    return state._replace(commands=(*state.commands, command)), command.id
