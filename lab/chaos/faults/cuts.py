"""SIGKILL of the host's program after each of its steps; a recorded deployment shows which steps there are.

The SSM agent does the same on a timeout or a cancellation: the whole process group dies at once.
"""

from collections.abc import Callable

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated

OUTCOMES = {"stage": "FAILED", "flip": "REVERTED", "bake": "REVERTED", "revert": "REVERTED"}
"""How a deployment ends when the command of this step is killed."""

TRIES = 3
DYING = "dies-after=live+0.3"


def healthy(target: HostUnderTest) -> list[Place]:
    """Return the places that the commands of a good deployment reach; it also removes an old release."""
    for _ in range(6):
        target.deploy()
    target.fault_injector.clear()
    target.deploy()
    return target.fault_injector.seen()


def dying(target: HostUnderTest) -> list[Place]:
    """Return the places that the commands reach when a release dies in its bake and the host reverts."""
    target.make_ready()
    target.fault_injector.clear()
    with target.load("dying", posts=False):  # the release dies soon after its first request
        target.outcome(target.upload(DYING))
    return target.fault_injector.seen()


def until_injected(target: HostUnderTest, place: Place, faults: str) -> Ending:
    """Upload until a deployment's commands reach the place, which some do for one of the slots only.

    Raises InvariantViolated when none of TRIES deployments does.
    """
    known = len(target.sandbox.deployments(target.app))
    for _ in range(TRIES):
        upload = target.upload(faults)
        outcome = target.outcome(upload)
        if target.fault_injector.injected():
            deployments = len(target.sandbox.deployments(target.app)) - known
            return Ending(outcome, upload.label if faults else None, deployments)
        target.make_ready()
    raise InvariantViolated(f"no command reached {place} in {TRIES} deployments")


def cut(place: Place, faults: str, name: str) -> Fault:
    def inject(target: HostUnderTest) -> Ending:
        target.fault_injector.inject(place, kill=True)
        ending = until_injected(target, place, faults)
        target.must_serve(target.live)
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
    def expand(target: HostUnderTest) -> list[Fault]:
        places = [place for place in record(target) if place.kind == "did" and place.step in steps]
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
