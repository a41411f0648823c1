"""Runs one fault on one host and judges it, with a good deployment afterwards."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab.chaos.fault import Ending, Fault, LossBudget
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated
from lab.sandbox.services.sns import Announcement, Announcements
from lab.sandbox.traffic.records import Traffic

DRIFT = "DRIFT"
ANNOUNCED_SECONDS = 10.0
BEGUN = "closed inside the answer"
"""How the load names an answer that broke off: a proxy cannot retry what it has begun to pass on."""

UNDER_LOAD = 30
"""Requests to be served before the fault is injected."""


@dataclass
class Row:
    """The result of a fault. `why` names the violations; the fault passed when there are none."""

    name: str
    outcome: str = "none"
    lost: int = 0
    seconds: float = 0.0
    announcements: int = 0
    why: list[str] = field(default_factory=list)
    ids: frozenset[str] = frozenset()
    may_repeat: bool = False

    @property
    def passed(self) -> bool:
        return not self.why

    def recount(self, announcements: Announcements) -> None:
        """Count the announcements again at the end of the run: one may have been repeated much later."""
        count = sum(1 for each in announcements.all() if each.data.get("announcement") in self.ids)
        if count != self.announcements and self.ids and not self.may_repeat:
            self.why.append(f"{count} messages at the end of the run instead of {self.announcements}")
            self.announcements = count


def run(fault: Fault, target: HostUnderTest) -> Row:
    """Run the fault and return its row. An error makes a row that failed."""
    row = Row(fault.name, may_repeat=fault.may_repeat)
    with ExitStack() as cleanup:
        try:
            _run(fault, target, row, cleanup)
        except Exception as error:
            row.why.append(f"{type(error).__name__}: {error}")
    return row


def _run(fault: Fault, target: HostUnderTest, row: Row, cleanup: ExitStack) -> None:
    target.configure()
    target.fault_injector.clear()
    target.make_ready()
    after = len(target.sandbox.announcements)
    load = target.load(fault.name, posts=fault.loss_budget in (LossBudget.NOTHING, LossBudget.WHILE_DOWN))
    cleanup.enter_context(load)
    target.until(lambda: load.requests >= UNDER_LOAD, 20, "users are served before the fault is injected")
    began = time.monotonic()
    ending = Ending("none")
    try:
        ending = fault.inject(target)
    except (InvariantViolated, TimeoutError) as error:
        row.why.append(str(error))
    row.outcome, row.seconds = ending.outcome, time.monotonic() - began
    over = time.time()
    if not row.why and ending.outcome not in fault.outcomes:
        reason = _reasons(target.announcements(after))
        row.why.append(f"expected {' or '.join(sorted(fault.outcomes))}: {reason}")
    target.configure()
    try:
        target.deploy()
    except (InvariantViolated, TimeoutError) as error:
        row.why.append(f"afterwards: {error}")
    _judge_traffic(fault, load.stop(ending.bad_release), over, row)
    deployments = fault.deployments if ending.deployments is None else ending.deployments
    _judge_announcements(fault, deployments, target, after, row)


def _judge_traffic(fault: Fault, traffic: Traffic, over: float, row: Row) -> None:
    row.lost = traffic.lost
    begun = traffic.reasons().get(BEGUN, 0) if fault.loss_budget is LossBudget.ANSWERS_BEGUN else 0
    if fault.loss_budget is not LossBudget.WHILE_DOWN and traffic.lost > begun:
        row.why.append(f"requests lost: {_losses(traffic)}")
    late = traffic.during(over, float("inf"))
    if fault.loss_budget is LossBudget.WHILE_DOWN and late.lost:
        row.why.append(f"requests lost after the end: {_losses(late)}")


def _judge_announcements(fault: Fault, deployments: int, target: HostUnderTest, after: int, row: Row) -> None:
    if not deployments and fault.drift_announcements:
        try:
            target.announced(lambda each: each.data.get("outcome") == DRIFT, ANNOUNCED_SECONDS, after)
        except TimeoutError:
            row.why.append("no drift was announced")
    # A function killed at Publish may publish again much later, while the next fault runs.
    earlier = {each.data.get("announcement") for each in target.sandbox.announcements.all()[:after]}
    announced = [each for each in target.announcements(after) if each.data.get("announcement") not in earlier]
    drifts = [each for each in announced if each.data.get("outcome") == DRIFT]
    outcomes = Counter(str(each.data.get("announcement")) for each in announced if each not in drifts)
    good = 1 if "afterwards" not in " ".join(row.why) else 0
    if not deployments:
        row.announcements = len(drifts)
        differences = Counter(str(each.data.get("differences")) for each in drifts)
        # A check may run in the very second in which the host recovers by itself.
        if len(drifts) > max(fault.drift_announcements, 1) or any(
            count > 1 for count in differences.values()
        ):
            row.why.append(f"{len(drifts)} drift announcements: {'; '.join(each.subject for each in drifts)}")
        return
    row.ids = frozenset(list(outcomes)[:-1] if good else outcomes)
    row.announcements = sum(outcomes[each] for each in row.ids)
    if good and len(outcomes) != deployments + 1:
        row.why.append(f"{len(outcomes) - 1} deployments were announced instead of {deployments}")
    again = {each: count for each, count in outcomes.items() if count > 1}
    if again and not fault.may_repeat:
        row.why.append(f"announced more than once: {again}")


def _losses(traffic: Traffic) -> str:
    return ", ".join(f"{count} × {reason}" for reason, count in traffic.reasons().items())


def _reasons(announcements: list[Announcement]) -> str:
    found = [f"{each.subject}: {(each.data.get('failure') or {}).get('reason')}" for each in announcements]
    return "; ".join(found) or "nothing was announced"
