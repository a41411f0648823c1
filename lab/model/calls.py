"""What a controller can ask of AWS: one consistent read, one transaction, one SendCommand, one Publish."""

from __future__ import annotations

from typing import Any, NamedTuple

from lab.model.items import Key


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
