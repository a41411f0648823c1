"""A stopped controller: what it was started with, and the answers that it has had."""

from __future__ import annotations

from typing import Any, NamedTuple

from lab.model.calls import Call

Start = tuple[str, ...]
"""What a controller is started with: ("upload", input), ("rollback", input), ("freeze", input),
("unfreeze", input), ("ready", input), ("notice", command), ("inspect", input), ("tick",)."""


class Node:
    """A controller that has had some answers. `call` is what it asks next, None when it is done; `error` is
    what it ended with, if that was nothing that it may raise."""

    __slots__ = ("answer", "call", "error", "next", "parent", "root")

    def __init__(self, root: Root, parent: Node | None, answer: Any) -> None:
        self.root = root
        self.parent = parent
        self.answer = answer
        self.call: Call | None = None
        self.error = ""
        self.next: dict[Any, Node] = {}

    def heard(self) -> list[tuple[Call | None, Any]]:
        """What it has asked and been answered so far, the first call first."""
        known: list[tuple[Call | None, Any]] = []
        node = self
        while node.parent is not None:
            known.append((node.parent.call, node.answer))
            node = node.parent
        return known[::-1]


class Root(NamedTuple):
    """What a controller's doing follows from, besides the answers."""

    start: Start
    now: float
    happened: float
    hosts: int


class Process(NamedTuple):
    """A controller that runs."""

    node: Node

    @property
    def start(self) -> Start:
        return self.node.root.start
