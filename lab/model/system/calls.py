"""What a controller can ask of AWS: one consistent read, one transaction, one SendCommand, one Publish."""

from __future__ import annotations

from typing import Any, NamedTuple

from lab.model.system.items import Key


class Put(NamedTuple):
    """One put of a transaction. `condition` is None, 0 (no such item) or the expected version."""

    key: Key
    item: int
    condition: int | None


class Sending(NamedTuple):
    """The parameters of a SendCommand; `hosts` are indexes."""

    hosts: tuple[int, ...]
    deployment: str
    step: str
    verb: str
    fence: int
    release: str
    previous: str | None


class Call(NamedTuple):
    """A call by its kind: get, write, send, publish, apps, history, commands, results."""

    kind: str
    what: Any = None


class Lost(NamedTuple):
    """The answer to a transaction whose condition failed: the item found, or None."""

    found: int | None
