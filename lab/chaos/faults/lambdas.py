"""A function's process is killed at each call that it makes to AWS: the call is done, but not answered.

A good deployment tells which calls there are. Dying before a call is dying after the one before it.
"""

from dataclasses import dataclass

from lab.chaos.calls import Answering, Call
from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated
from lab.sandbox.api.gateway import Answer
from lab.sandbox.sandbox import FunctionError

LEASE_SECONDS = 150.0
"""What was decided and not done waits for its lease (60 s) and the next tick."""

STRUCK_SECONDS = 20.0
TRIES = 3
PUBLISH = "sns:Publish"
SAVES_REPORTS = ("report", "dynamodb:TransactWriteItems")


@dataclass(frozen=True)
class Point:
    """The n-th call of the invocations of a function for one purpose."""

    function: str
    about: str
    number: int
    name: str

    @classmethod
    def of(cls, call: Call) -> "Point | None":
        if call.caller is None or call.caller.about == "tick":
            return None
        return cls(call.caller.function, call.caller.about, call.number, call.name)


def calls_of(station: HostUnderTest, invoked: str) -> list[Point]:
    """The calls that a good deployment or a rollback makes."""
    seen: list[Point] = []

    def note(call: Call, answer: Answering) -> Answer:
        point = Point.of(call)
        if point and call.concerns(station.app):
            seen.append(point)
        return answer(call.request)

    station.make_ready()
    with station.calls.intercepted(note):
        if invoked == "rollback":
            roll_back(station)
        else:
            station.deploy()
            station.standing()
            station.until(
                lambda: any((point.about, point.name) == SAVES_REPORTS for point in seen),
                STRUCK_SECONDS,
                "the function hears of a report",
            )
    return list(
        dict.fromkeys(point for point in seen if (point.about == "rollback") == (invoked == "rollback"))
    )


def killed(point: Point) -> Fault:
    def inject(station: HostUnderTest) -> Ending:
        struck: list[Point] = []

        def kill(call: Call, answer: Answering) -> Answer:
            given = answer(call.request)
            if not struck and Point.of(call) == point and call.concerns(station.app):
                struck.append(point)
                assert call.caller
                call.caller.environment.kill()
            return given

        with station.calls.intercepted(kill):
            ending = roll_back(station) if point.about == "rollback" else until_struck(station, point, struck)
        if not struck:
            raise InvariantViolated(f"{point} did not come: a tick was faster; it ended {ending.outcome}")
        station.must_serve(station.live)
        return ending

    return Fault(
        name=f"lambda/{point.function.removeprefix('twinslot-')}/{point.about}/{point.number}-{point.name}",
        what=f"the function dies after its call {point.number} ({point.name}) for {point.about}",
        inject=inject,
        outcomes=frozenset({"LIVE"}),
        repeats=point.name == PUBLISH,
    )


def until_struck(station: HostUnderTest, point: Point, struck: list[Point]) -> Ending:
    """Uploads until an invocation comes to the point: in TRIES of them a tick may always have been faster."""
    deployments = 0
    while not struck and deployments < TRIES:
        outcome = station.outcome(station.upload(), LEASE_SECONDS)
        deployments += 1
        if point.about == "report":
            station.standing()
            station.until(lambda: bool(struck), STRUCK_SECONDS, "the function hears of the report")
    return Ending(outcome, deployments=deployments)


def roll_back(station: HostUnderTest) -> Ending:
    """A person whose call got no answer calls again: that goes back, or forth again where it was accepted."""
    after = len(station.sandbox.announcements)
    known = len(station.sandbox.deployments(station.app))
    try:
        station.sandbox.invoke("Rollback", {"app": station.app})
    except FunctionError:
        station.sandbox.invoke("Rollback", {"app": station.app})
    told = station.announced(lambda each: each.data.get("outcome") == "LIVE", LEASE_SECONDS, after)
    station.live = told.data["live"]["label"]
    return Ending("LIVE", deployments=len(station.sandbox.deployments(station.app)) - known)


def group(name: str, invoked: str, minutes: float) -> Group:
    return Group(
        name,
        expand=lambda station: [killed(point) for point in calls_of(station, invoked)],
        spread=True,
        minutes=minutes,
    )


GROUPS = (group("lambda/", "upload", 9), group("lambda/rollback/", "rollback", 8))
