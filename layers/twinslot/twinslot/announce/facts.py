"""The facts of an announcement and their limits: each is printable and cut by `within`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from twinslot.intake.sanitize import sanitize

MAX_SECONDS = 10_000_000.0
LATEST = 32_503_680_000.0
"""The year 3000: chats show no later moment."""


@dataclass(frozen=True)
class Limits:
    """The most that a view holds: `lines` and `differences` are counts, `log` are characters of all its
    lines, line ends included, and the others characters of one text."""

    name: int
    key: int
    host: int
    reason: int
    line: int
    lines: int
    log: int
    difference: int
    differences: int


FULL = Limits(
    name=100, key=255, host=100, reason=1000, line=500, lines=50, log=25_050, difference=300, differences=30
)
"""SNS takes 256 KB in all. A label is in a message four times, each of its characters in up to 30 bytes."""

CHAT = Limits(
    name=60, key=120, host=40, reason=600, line=300, lines=50, log=2_000, difference=300, differences=10
)


@dataclass(frozen=True)
class LiveNow:
    """What traffic goes to, by which deployment, since when (seconds since the epoch; None: not known)."""

    label: str
    deployment: str
    since: float | None

    def within(self, limits: Limits) -> LiveNow:
        since = None if self.since is None else min(max(self.since, 0.0), LATEST)
        return LiveNow(sanitize(self.label, limits.name), sanitize(self.deployment, limits.name), since)


@dataclass(frozen=True)
class Jar:
    """What is deployed; `address` is s3://BUCKET/KEY."""

    label: str
    address: str
    version: str

    def within(self, limits: Limits) -> Jar:
        return Jar(
            sanitize(self.label, limits.name),
            sanitize(self.address, limits.key),
            sanitize(self.version, limits.name),
        )


@dataclass(frozen=True)
class Cause:
    """Why it failed (in `phase`, on `host`, with the last lines of its log), or why an app is frozen."""

    reason: str
    phase: str = ""
    host: str = ""
    log: tuple[str, ...] = ()

    def within(self, limits: Limits) -> Cause:
        lines = [sanitize(line, limits.line) for line in self.log[-limits.lines :]]
        host, reason = sanitize(self.host, limits.host), sanitize(self.reason, limits.reason)
        return Cause(reason, self.phase, host, last_lines(lines, limits.log))


def last_lines(lines: Iterable[str], characters: int) -> tuple[str, ...]:
    """Return as many of the last lines as fit, line ends included."""
    kept: list[str] = []
    for line in reversed(list(lines)):
        characters -= len(line) + 1
        if characters < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))
