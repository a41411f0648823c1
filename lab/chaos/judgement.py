"""One fault on one station: set up, done, waited for, judged; and a good deployment after it."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab.chaos.fault import Ending, Fault, LossBudget
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated
from lab.sandbox.services.sns import Announcement, Announcements
from lab.sandbox.traffic.records import Traffic

DRIFT = "DRIFT"
TOLD_SECONDS = 10.0
BEGUN = "closed inside the answer"
"""What the load says of an answer that broke off: no proxy can take back what it has passed on."""

UNDER_LOAD = 30
"""Requests that have to be served before a fault begins."""


@dataclass
class Row:
    """What became of a fault. `why` says what did not hold; the fault is held when it is empty."""

    name: str
    outcome: str = "none"
    lost: int = 0
    seconds: float = 0.0
    announcements: int = 0
    why: list[str] = field(default_factory=list)
    ids: frozenset[str] = frozenset()
    repeats: bool = False

    @property
    def passed(self) -> bool:
        return not self.why

    def recount(self, announcements: Announcements) -> None:
        """Once more at the very end: an announcement may have been repeated long after."""
        told = sum(1 for each in announcements.all() if each.data.get("announcement") in self.ids)
        if told != self.announcements and self.ids and not self.repeats:
            self.why.append(f"{told} messages in the end instead of {self.announcements}")
            self.announcements = told


def run(fault: Fault, station: HostUnderTest) -> Row:
    """Do the fault and judge it. Whatever goes wrong becomes a row that is not held."""
    row = Row(fault.name, repeats=fault.repeats)
    with ExitStack() as cleanup:
        try:
            _run(fault, station, row, cleanup)
        except Exception as error:
            row.why.append(f"{type(error).__name__}: {error}")
    return row


def _run(fault: Fault, station: HostUnderTest, row: Row, cleanup: ExitStack) -> None:
    station.configure()
    station.fault_injector.forget()
    station.make_ready()
    after = len(station.sandbox.announcements)
    load = station.load(fault.name, posts=fault.loss_budget in (LossBudget.NOTHING, LossBudget.WHILE_DOWN))
    cleanup.enter_context(load)
    station.until(lambda: load.requests >= UNDER_LOAD, 20, "users are served before the fault")
    began = time.monotonic()
    ending = Ending("none")
    try:
        ending = fault.inject(station)
    except (InvariantViolated, TimeoutError) as error:
        row.why.append(str(error))
    row.outcome, row.seconds = ending.outcome, time.monotonic() - began
    over = time.time()
    if not row.why and ending.outcome not in fault.outcomes:
        reason = _reasons(station.announcements(after))
        row.why.append(f"it should have ended {' or '.join(sorted(fault.outcomes))}: {reason}")
    station.configure()
    try:
        station.deploy()
    except (InvariantViolated, TimeoutError) as error:
        row.why.append(f"afterwards: {error}")
    _judge_traffic(fault, load.stop(ending.bad_release), over, row)
    deployments = fault.deployments if ending.deployments is None else ending.deployments
    _judge_announcements(fault, deployments, station, after, row)


def _judge_traffic(fault: Fault, traffic: Traffic, over: float, row: Row) -> None:
    row.lost = traffic.lost
    begun = traffic.reasons().get(BEGUN, 0) if fault.loss_budget is LossBudget.ANSWERS_BEGUN else 0
    if fault.loss_budget is not LossBudget.WHILE_DOWN and traffic.lost > begun:
        row.why.append(f"requests lost: {_told(traffic)}")
    late = traffic.during(over, float("inf"))
    if fault.loss_budget is LossBudget.WHILE_DOWN and late.lost:
        row.why.append(f"requests lost after the good end: {_told(late)}")


def _judge_announcements(
    fault: Fault, deployments: int, station: HostUnderTest, after: int, row: Row
) -> None:
    if not deployments and fault.tells:
        try:
            station.announced(lambda each: each.data.get("outcome") == DRIFT, TOLD_SECONDS, after)
        except TimeoutError:
            row.why.append("no operator was told")
    # What a function killed at Publish has told already may come again long after, in the next fault's time.
    earlier = {each.data.get("announcement") for each in station.sandbox.announcements.all()[:after]}
    told = [each for each in station.announcements(after) if each.data.get("announcement") not in earlier]
    drifts = [each for each in told if each.data.get("outcome") == DRIFT]
    outcomes = Counter(str(each.data.get("announcement")) for each in told if each not in drifts)
    good = 1 if "afterwards" not in " ".join(row.why) else 0
    if not deployments:
        row.announcements = len(drifts)
        differences = Counter(str(each.data.get("differences")) for each in drifts)
        # Somebody may look in the very second in which a host mends it by itself.
        if len(drifts) > max(fault.tells, 1) or any(count > 1 for count in differences.values()):
            row.why.append(f"told {len(drifts)} times: {'; '.join(each.subject for each in drifts)}")
        return
    row.ids = frozenset(list(outcomes)[:-1] if good else outcomes)
    row.announcements = sum(outcomes[each] for each in row.ids)
    if good and len(outcomes) != deployments + 1:
        row.why.append(f"{len(outcomes) - 1} deployments were announced instead of {deployments}")
    again = {each: count for each, count in outcomes.items() if count > 1}
    if again and not fault.repeats:
        row.why.append(f"announced more than once: {again}")


def _told(traffic: Traffic) -> str:
    return ", ".join(f"{count} × {reason}" for reason, count in traffic.reasons().items())


def _reasons(told: list[Announcement]) -> str:
    found = [f"{each.subject}: {(each.data.get('failure') or {}).get('reason')}" for each in told]
    return "; ".join(found) or "nothing was announced"
