"""A sandbox without machines for the page: its functions answer what a test says."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from lab.sandbox.sandbox import FunctionError


class FakeSandbox:
    """Takes the place of the page's sandbox. `asked` has each invocation."""

    def __init__(self, html: str = "<p>hello</p>", error: str = "") -> None:
        self.hosts: list[Any] = []
        self.html = html
        self.error = error
        self.asked: list[tuple[str, dict[str, Any]]] = []
        rollback = SimpleNamespace(id="twinslot-rollback")
        self.aws = SimpleNamespace(stack=SimpleNamespace(resources={"Rollback": rollback}))

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        self.asked.append((function, dict(payload)))
        if self.error:
            raise FunctionError("GiveUp", self.error)
        return self.html if function == "Widget" else {"app": payload["app"], "to": "1.4.1"}

    @property
    def rollbacks(self) -> list[dict[str, Any]]:
        return [payload for function, payload in self.asked if function == "Rollback"]
