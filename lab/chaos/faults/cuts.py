"""SIGKILL of the host's program after each of its steps. The program itself says which there are.

A cut is what the SSM agent does on a timeout or a cancellation: the whole process group dies, wherever it is.
"""

from collections.abc import Callable

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated

OUTCOMES = {"stage": "FAILED", "flip": "REVERTED", "bake": "REVERTED", "revert": "REVERTED"}
"""What a deployment comes to when the command of this step is cut."""

TRIES = 3
DYING = "dies-after=live+0.3"


def healthy(station: HostUnderTest) -> list[Place]:
    """The places that a good deployment's commands come to; a release has to be removed for it."""
    for _ in range(6):
        station.deploy()
    station.fault_injector.forget()
    station.deploy()
    return station.fault_injector.seen()


def dying(station: HostUnderTest) -> list[Place]:
    """The places that the commands come to when a release dies in its bake and the host turns back."""
    station.make_ready()
    station.fault_injector.forget()
    with station.load("dying", posts=False):  # the release dies soon after users have come to it
        station.outcome(station.upload(DYING))
    return station.fault_injector.seen()


def until_struck(station: HostUnderTest, place: Place, faults: str) -> Ending:
    """Uploads until a deployment's commands come to the place: some are on the way to one of the slots
    alone, or in another second than the step before. Raises NotHeld when none of TRIES does."""
    known = len(station.sandbox.deployments(station.app))
    for _ in range(TRIES):
        upload = station.upload(faults)
        outcome = station.outcome(upload)
        if station.fault_injector.struck():
            deployments = len(station.sandbox.deployments(station.app)) - known
            return Ending(outcome, upload.label if faults else None, deployments)
        station.make_ready()
    raise InvariantViolated(f"no command came to {place} in {TRIES} deployments")


def cut(place: Place, faults: str, name: str) -> Fault:
    def inject(station: HostUnderTest) -> Ending:
        station.fault_injector.inject(place, kill=True)
        ending = until_struck(station, place, faults)
        station.must_serve(station.live)
        return ending

    return Fault(
        name=name,
        what=f"SIGKILL after {place.name!r} of {place.step}",
        inject=inject,
        outcomes=frozenset({OUTCOMES[place.step]}),
        loss_budget=LossBudget.ANSWERS_BEGUN if faults else LossBudget.NOTHING,
    )


def faults_of(
    record: Callable[[HostUnderTest], list[Place]], faults: str, label: str, steps: tuple[str, ...]
) -> Callable[[HostUnderTest], list[Fault]]:
    def expand(station: HostUnderTest) -> list[Fault]:
        places = [place for place in record(station) if place.kind == "did" and place.step in steps]
        return [cut(place, faults, f"killed/{label}{place.step}/{slug(place.name)}") for place in places]

    return expand


def slug(name: str) -> str:
    return name.replace(" ", "-")


GROUPS = (
    Group(
        "killed/",
        expand=faults_of(healthy, "", "", ("stage", "flip", "bake")),
        spread=True,
        minutes=5,
    ),
    Group(
        "killed/dying/",
        expand=faults_of(dying, DYING, "dying/", ("bake", "revert")),
        spread=True,
        minutes=5,
    ),
)
