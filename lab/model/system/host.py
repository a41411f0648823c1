"""A host as docs/host.md specifies it: fence, ledger, two slots, and a flip that ensures a verified release.

A command is atomic: the host's lock excludes others, and a command that yields to a higher fence leaves what
a killed one leaves.
"""

from enum import StrEnum
from typing import NamedTuple

SLOTS = ("blue", "green")


class HostResult(StrEnum):
    """How a command goes: it succeeds, the release does not become or stay healthy, or SIGKILL halfway."""

    SUCCESS = "success"
    UNHEALTHY = "unhealthy"
    KILLED = "killed"


class Slot(NamedTuple):
    """A slot's release, and whether a process runs there that was verified."""

    release: str | None = None
    verified: bool = False


class Report(NamedTuple):
    """A host's report at the end of a command about a release."""

    ok: bool
    release: str
    slots: tuple[Slot, Slot]
    live: int | None


class Part(NamedTuple):
    """A host's invocation of a command as SSM has it: a killed one has no report. `sent` is False for a host
    that the command was not sent to."""

    over: bool = False
    report: Report | None = None
    sent: bool = True


ELSEWHERE = Part(over=True, sent=False)
"""The part of a host that the command was not sent to."""


class Command(NamedTuple):
    """One SendCommand and its part on each host. `deployment` is "" for the verb report."""

    id: str
    deployment: str
    step: str
    verb: str
    fence: int
    release: str
    previous: str | None
    parts: tuple[Part, ...]

    @property
    def is_over(self) -> bool:
        return all(part.over for part in self.parts)

    @property
    def reverts(self) -> bool:
        return self.step.startswith("revert")


class Host(NamedTuple):
    """A host. Three fields are for the invariants only: `acted` is the fence of the last command that was let
    in, `proved` are the releases ever verified here, `renewed` is whether it replaced another host."""

    fence: int = 0
    slots: tuple[Slot, Slot] = (Slot(), Slot())
    live: int | None = None
    ledger: frozenset[tuple[str, Report]] = frozenset()
    proved: frozenset[str] = frozenset()
    acted: int = 0
    renewed: bool = False

    @property
    def traffic(self) -> Slot | None:
        """Return the slot that gets the requests."""
        return None if self.live is None else self.slots[self.live]


def outranked(host: Host, command: Command) -> bool:
    """Return whether this host has seen a higher fence."""
    return command.fence < host.fence


def finished(host: Host, command: Command) -> Report | None:
    """Return the report of an earlier execution of the same step."""
    key = f"{command.deployment}/{command.step}"
    return next((report for done, report in host.ledger if done == key), None)


def carry_out(host: Host, command: Command, result: HostResult) -> tuple[Host, Part]:
    """Return the host after the command, and the command's part on it."""
    if command.verb == "report":
        return host, Part(True, Report(True, "", host.slots, host.live))
    earlier = finished(host, command)
    if earlier is not None:
        return host, Part(True, earlier)
    if outranked(host, command):
        return host, Part(True, Report(False, command.release, host.slots, host.live))
    host = host._replace(fence=max(host.fence, command.fence), acted=command.fence)
    host, ok = VERBS[command.verb](host, command, result)
    if result is HostResult.KILLED:
        return host, Part(True)
    report = Report(ok, command.release, host.slots, host.live)
    ledger = host.ledger | {(f"{command.deployment}/{command.step}", report)}
    return host._replace(ledger=ledger), Part(True, report)


def results(host: Host, command: Command) -> tuple[HostResult, ...]:
    """Return the results that can differ: a command that does nothing always succeeds."""
    if command.verb == "report" or finished(host, command) is not None or outranked(host, command):
        return (HostResult.SUCCESS,)
    return tuple(HostResult)


def _stage(host: Host, command: Command, result: HostResult) -> tuple[Host, bool]:
    if Slot(command.release, True) in host.slots:
        return host, True
    idle = 0 if host.live == 1 else 1
    return _start(host, idle, command.release, result)


def _flip(host: Host, command: Command, result: HostResult) -> tuple[Host, bool]:
    holders = [slot for slot in (0, 1) if host.slots[slot].release == command.release]
    if not holders:
        return host, False
    slot = max(holders, key=lambda holder: host.slots[holder].verified)
    ok = True
    if not host.slots[slot].verified:
        host, ok = _start(host, slot, command.release, result)
    elif result is HostResult.UNHEALTHY:
        ok = False
    if not ok:
        return host, False
    host = host._replace(live=slot)
    return (_clear_verified(host, 1 - slot) if command.reverts else host), True


def _bake(host: Host, command: Command, result: HostResult) -> tuple[Host, bool]:
    live = host.live
    if live is None or host.slots[live].release != command.release:
        return host, False
    if result is HostResult.UNHEALTHY:
        if Slot(command.previous, True) == host.slots[1 - live]:
            host = _clear_verified(host._replace(live=1 - live), live)
        return host, False
    return host, True


def _start(host: Host, slot: int, release: str, result: HostResult) -> tuple[Host, bool]:
    """Start a release in a slot; it is verified when the command succeeds."""
    verified = result is HostResult.SUCCESS
    host = _with(host, slot, Slot(release, verified))
    return (host._replace(proved=host.proved | {release}) if verified else host), verified


def _clear_verified(host: Host, slot: int) -> Host:
    return _with(host, slot, Slot(host.slots[slot].release, False))


def _with(host: Host, slot: int, held: Slot) -> Host:
    first, second = host.slots
    return host._replace(slots=(held, second) if slot == 0 else (first, held))


VERBS = {"stage": _stage, "flip": _flip, "bake": _bake}
