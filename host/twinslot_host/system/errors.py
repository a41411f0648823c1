"""What ends a verb early, told so that it can stand in a report."""

from __future__ import annotations


class StepFailed(Exception):
    """The verb cannot go on: `reason` says what, where and what to do; `log` holds the last journal lines."""

    def __init__(self, reason: str, log: list[str] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.log = log or []


class NotExecuted(StepFailed):
    """The command was not carried out, so the ledger must not take it for finished."""


class Transient(Exception):
    """A service of AWS failed in a way that the next try may not."""
