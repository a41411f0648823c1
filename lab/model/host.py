"""A host as docs/host.md promises it: fence, ledger, two slots, and a flip that ensures a verified release.

A command is carried out in one go: the host's work lock lets no other in between, and one that gives way to
a higher fence leaves what a cut one leaves.
"""

from enum import StrEnum
from typing import NamedTuple

SLOTS = ("blue", "green")


class Fate(StrEnum):
    """How a host fares with a command: well; the release does not get or stay healthy; SIGKILL halfway."""

    WELL = "well"
    ILL = "ill"
    CUT = "cut"


class Slot(NamedTuple):
    """What a slot holds, and whether a process runs there that was verified to serve it."""

    release: str | None = None
    verified: bool = False


class Report(NamedTuple):
    """What a host says at the end of a command that was about a release."""

    ok: bool
    release: str
    slots: tuple[Slot, Slot]
    live: int | None


class Part(NamedTuple):
    """A host's part in a command as SSM knows it: over or not; one that was cut left no report. `sent` is
    whether the command was for this host at all."""

    over: bool = False
    report: Report | None = None
    sent: bool = True


ELSEWHERE = Part(over=True, sent=False)
"""The part of a host that a command was not sent to."""


class Command(NamedTuple):
    """One SendCommand, and what became of it on each host. `deployment` is "" for the verb report."""

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
    """`acted` is the fence of the last command that was let in; `proved` are the releases that were ever
    verified here; `renewed` is whether it took another's place: they are there for the invariants alone."""

    fence: int = 0
    slots: tuple[Slot, Slot] = (Slot(), Slot())
    live: int | None = None
    ledger: frozenset[tuple[str, Report]] = frozenset()
    proved: frozenset[str] = frozenset()
    acted: int = 0
    renewed: bool = False

    @property
    def traffic(self) -> Slot | None:
        """The slot that users reach."""
        return None if self.live is None else self.slots[self.live]


def outranked(host: Host, command: Command) -> bool:
    """Whether this host has seen a higher fence."""
    return command.fence < host.fence


def finished(host: Host, command: Command) -> Report | None:
    """What was reported when this very step was carried out before."""
    key = f"{command.deployment}/{command.step}"
    return next((report for done, report in host.ledger if done == key), None)


def carry_out(host: Host, command: Command, fate: Fate) -> tuple[Host, Part]:
    """The host after the command, and its part as SSM hears of it."""
    if command.verb == "report":
        return host, Part(True, Report(True, "", host.slots, host.live))
    earlier = finished(host, command)
    if earlier is not None:
        return host, Part(True, earlier)
    if outranked(host, command):
        return host, Part(True, Report(False, command.release, host.slots, host.live))
    host = host._replace(fence=max(host.fence, command.fence), acted=command.fence)
    host, ok = VERBS[command.verb](host, command, fate)
    if fate is Fate.CUT:
        return host, Part(True)
    report = Report(ok, command.release, host.slots, host.live)
    ledger = host.ledger | {(f"{command.deployment}/{command.step}", report)}
    return host._replace(ledger=ledger), Part(True, report)


def fates(host: Host, command: Command) -> tuple[Fate, ...]:
    """The fates that can differ: what does nothing does it whatever happens."""
    if command.verb == "report" or finished(host, command) is not None or outranked(host, command):
        return (Fate.WELL,)
    return tuple(Fate)


def _stage(host: Host, command: Command, fate: Fate) -> tuple[Host, bool]:
    if Slot(command.release, True) in host.slots:
        return host, True
    idle = 0 if host.live == 1 else 1
    return _start(host, idle, command.release, fate)


def _flip(host: Host, command: Command, fate: Fate) -> tuple[Host, bool]:
    holders = [slot for slot in (0, 1) if host.slots[slot].release == command.release]
    if not holders:
        return host, False
    slot = max(holders, key=lambda holder: host.slots[holder].verified)
    ok = True
    if not host.slots[slot].verified:
        host, ok = _start(host, slot, command.release, fate)
    elif fate is Fate.ILL:
        ok = False
    if not ok:
        return host, False
    host = host._replace(live=slot)
    return (_forget(host, 1 - slot) if command.reverts else host), True


def _bake(host: Host, command: Command, fate: Fate) -> tuple[Host, bool]:
    live = host.live
    if live is None or host.slots[live].release != command.release:
        return host, False
    if fate is Fate.ILL:
        if Slot(command.previous, True) == host.slots[1 - live]:
            host = _forget(host._replace(live=1 - live), live)
        return host, False
    return host, True


def _start(host: Host, slot: int, release: str, fate: Fate) -> tuple[Host, bool]:
    """Start a release in a slot; it is verified only if all goes well."""
    verified = fate is Fate.WELL
    host = _with(host, slot, Slot(release, verified))
    return (host._replace(proved=host.proved | {release}) if verified else host), verified


def _forget(host: Host, slot: int) -> Host:
    return _with(host, slot, Slot(host.slots[slot].release, False))


def _with(host: Host, slot: int, held: Slot) -> Host:
    first, second = host.slots
    return host._replace(slots=(held, second) if slot == 0 else (first, held))


VERBS = {"stage": _stage, "flip": _flip, "bake": _bake}
