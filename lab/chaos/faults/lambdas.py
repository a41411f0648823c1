"""A function's process is killed at each of its calls to AWS: the call is done, but its answer is lost.

A recorded deployment shows which calls there are. To die before a call is to die after the previous one.
"""

from dataclasses import dataclass

from lab.chaos.calls import Answering, Call
from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated
from lab.sandbox.api.gateway import Answer
from lab.sandbox.sandbox import FunctionError

LEASE_SECONDS = 150.0
"""An act that was saved but not done waits for its lease (60 s) and the next scheduled check."""

INJECTED_SECONDS = 20.0
TRIES = 3
PUBLISH = "sns:Publish"
SAVES_REPORTS = ("report", "dynamodb:TransactWriteItems")


@dataclass(frozen=True)
class Point:
    """The n-th call of a function's invocations for one reason."""

    function: str
    about: str
    number: int
    name: str

    @classmethod
    def of(cls, call: Call) -> "Point | None":
        if call.caller is None or call.caller.about == "schedule":
            return None
        return cls(call.caller.function, call.caller.about, call.number, call.name)


def calls_of(target: HostUnderTest, invoked: str) -> list[Point]:
    """Return the calls that a good deployment or a rollback makes."""
    seen: list[Point] = []

    def note(call: Call, answer: Answering) -> Answer:
        point = Point.of(call)
        if point and call.concerns(target.app):
            seen.append(point)
        return answer(call.request)

    target.make_ready()
    with target.calls.intercepted(note):
        if invoked == "rollback":
            roll_back(target)
        else:
            target.deploy()
            target.report()
            target.until(
                lambda: any((point.about, point.name) == SAVES_REPORTS for point in seen),
                INJECTED_SECONDS,
                "the function receives a report",
            )
    return list(
        dict.fromkeys(point for point in seen if (point.about == "rollback") == (invoked == "rollback"))
    )


def killed(point: Point) -> Fault:
    def inject(target: HostUnderTest) -> Ending:
        injected: list[Point] = []

        def kill(call: Call, answer: Answering) -> Answer:
            given = answer(call.request)
            if not injected and Point.of(call) == point and call.concerns(target.app):
                injected.append(point)
                assert call.caller
                call.caller.environment.kill()
            return given

        with target.calls.intercepted(kill):
            ending = (
                roll_back(target) if point.about == "rollback" else until_injected(target, point, injected)
            )
        if not injected:
            raise InvariantViolated(
                f"{point} was not reached: the schedule was faster; it ended {ending.outcome}"
            )
        target.must_serve(target.live)
        return ending

    return Fault(
        name=f"lambda/{point.function.removeprefix('twinslot-')}/{point.about}/{point.number}-{point.name}",
        what=f"the function dies after its call {point.number} ({point.name}) for {point.about}",
        inject=inject,
        outcomes=frozenset({"LIVE"}),
        may_repeat=point.name == PUBLISH,
    )


def until_injected(target: HostUnderTest, point: Point, injected: list[Point]) -> Ending:
    """Upload until an invocation reaches the point, TRIES times at most: the schedule may be faster."""
    deployments = 0
    while not injected and deployments < TRIES:
        outcome = target.outcome(target.upload(), LEASE_SECONDS)
        deployments += 1
        if point.about == "report":
            target.report()
            target.until(lambda: bool(injected), INJECTED_SECONDS, "the function receives the report")
    return Ending(outcome, deployments=deployments)


def roll_back(target: HostUnderTest) -> Ending:
    """Roll back as a person would, who calls again without an answer: a second rollback undoes an accepted
    one."""
    after = len(target.sandbox.announcements)
    known = len(target.sandbox.deployments(target.app))
    try:
        target.sandbox.invoke("Rollback", {"app": target.app})
    except FunctionError:
        target.sandbox.invoke("Rollback", {"app": target.app})
    announcement = target.announced(lambda each: each.data.get("outcome") == "LIVE", LEASE_SECONDS, after)
    target.live = announcement.data["live"]["label"]
    return Ending("LIVE", deployments=len(target.sandbox.deployments(target.app)) - known)


def group(name: str, invoked: str, minutes: float) -> Group:
    return Group(
        name,
        expand=lambda target: [killed(point) for point in calls_of(target, invoked)],
        spread=True,
        minutes=minutes,
    )


GROUPS = (group("lambda/", "upload", 9), group("lambda/rollback/", "rollback", 8))
