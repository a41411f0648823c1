"""Errors that end a verb early. Their texts go into the report."""

from __future__ import annotations


class StepFailed(Exception):
    """The verb cannot continue: `reason` names what, where and what to do; `log` has the last lines."""

    def __init__(self, reason: str, log: list[str] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.log = log or []


class NotExecuted(StepFailed):
    """The command was not carried out, so the ledger does not record it as finished."""


class Transient(Exception):
    """A service of AWS failed in a way that a retry can solve."""
