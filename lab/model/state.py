"""All that outlives a controller, and what each of its calls does to it. Pure: every change is a copy.

A call is what reaches AWS: one consistent read, one transaction, one SendCommand, one Publish. It happens
whole or not at all, as AWS promises; between two calls anything else may happen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lab.model.host import ELSEWHERE, Command, Host, Part

if TYPE_CHECKING:
    from lab.model.process import Process

Key = tuple[str, str]
Item = dict[str, Any]


class Put(NamedTuple):
    """One put of a transaction. `condition`: None, 0 (there is no such item) or the version that is there."""

    key: Key
    item: int
    condition: int | None


class Sending(NamedTuple):
    """What a SendCommand says, read from its parameters, and whom it is sent to: places among the hosts."""

    hosts: tuple[int, ...]
    deployment: str
    step: str
    verb: str
    fence: int
    release: str
    previous: str | None


class Call(NamedTuple):
    """What a controller asks of AWS: to get, write, send, publish; for apps, history, commands, results."""

    kind: str
    what: Any = None


class Lost(NamedTuple):
    """Answer to a transaction whose condition failed: the item that was there, or None."""

    found: int | None


class Input(NamedTuple):
    """Something that people did, and when: `u…` an upload, `x…` of what is no jar, `r…` a call for a
    rollback, `h…` for a hold and `g…` for its end, `n…` a host that is replaced by an empty one; and `i…`, an
    inspection whose hour has come."""

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


class _Interned:
    """Texts by number, so that equal ones are one, and comparing them is comparing numbers."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.values: list[Any] = []

    def number(self, value: Any) -> int:
        text = json.dumps(value, sort_keys=True)
        number = self.numbers.get(text)
        if number is None:
            number = self.numbers[text] = len(self.values)
            self.values.append(value)
        return number


_items = _Interned()


def number(value: Any) -> int:
    """The number of an item or a message."""
    return _items.number(value)


def item(number: int) -> Any:
    """The item or message of this number; nobody may change it."""
    return _items.values[number]


def version(number: int | None) -> int:
    """The version that an item bears; 0 when there is none."""
    return 0 if number is None else int(item(number).get("version", {"N": "0"})["N"])


def serve(state: State, call: Call) -> tuple[State, Any]:
    """The world after a call, and its answer."""
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
    raise NotImplementedError(call.kind)


def _write(state: State, puts: tuple[Put, ...]) -> tuple[State, Lost | None]:
    """All puts, or none when a condition fails."""
    for put in puts:
        found = state.table.get(put.key)
        if put.condition is not None and (put.condition or None) != (
            None if found is None else version(found)
        ):
            return state, Lost(found)
    return state._replace(table={**state.table, **{put.key: put.item for put in puts}}), None


def _send(state: State, sending: Sending) -> tuple[State, str]:
    """SSM takes every command, also one that it has taken before: it knows no token."""
    name = f"{sending.deployment or 'app'}/{sending.step}"
    repeats = sum(command.id.rpartition("/")[0] == name for command in state.commands)
    parts = tuple(Part() if place in sending.hosts else ELSEWHERE for place in range(len(state.hosts)))
    command = Command(f"{name}/{repeats}", *sending[1:], parts)
    return state._replace(commands=(*state.commands, command)), command.id
