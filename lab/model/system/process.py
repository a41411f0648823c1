"""A controller between two calls: what it was started with, and the answers it got."""

from __future__ import annotations

from typing import Any, NamedTuple

from lab.model.system.calls import Call

Start = tuple[str, ...]
"""What a controller is started with: ("upload", input), ("rollback", input), ("freeze", input),
("unfreeze", input), ("ready", input), ("notice", command), ("inspect", input), ("schedule",)."""


class Node:
    """A controller after some answers. `call` is its next one, None when it has ended; `error` is the error
    it ended with, if that is not a TwinslotError."""

    __slots__ = ("answer", "call", "error", "next", "parent", "root")

    def __init__(self, root: Root, parent: Node | None, answer: Any) -> None:
        self.root = root
        self.parent = parent
        self.answer = answer
        self.call: Call | None = None
        self.error = ""
        self.next: dict[Any, Node] = {}

    def answers(self) -> list[tuple[Call | None, Any]]:
        """Return its calls so far with their answers, in order."""
        known: list[tuple[Call | None, Any]] = []
        node = self
        while node.parent is not None:
            known.append((node.parent.call, node.answer))
            node = node.parent
        return known[::-1]


class Root(NamedTuple):
    """What a controller depends on, besides the answers."""

    start: Start
    now: float
    happened: float
    hosts: int


class Process(NamedTuple):
    """A running controller."""

    node: Node

    @property
    def start(self) -> Start:
        return self.node.root.start
