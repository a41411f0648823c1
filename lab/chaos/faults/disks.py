"""The disk is full at each write of each command; a recorded deployment shows which writes there are.

The program writes to filesystems of a few megabytes. Just before a file is opened, its filesystem is filled
to the last byte and the last inode, and it stays full until the deployment has ended.
"""

from collections.abc import Callable

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import FILL, Place
from lab.chaos.faults import cuts
from lab.chaos.host_under_test import SMALL_DISKS, HostUnderTest

OUTCOMES = {
    "stage": {"FAILED", "REVERTED", "LIVE"},
    "flip": {"REVERTED", "LIVE"},
    "bake": {"REVERTED", "LIVE"},
    "revert": {"REVERTED"},
}
"""Good ends: not every write is needed for the deployment to go on."""


def full(place: Place, faults: str, name: str) -> Fault:
    def inject(target: HostUnderTest) -> Ending:
        target.fault_injector.inject(place, *FILL)
        try:
            ending = cuts.until_injected(target, place, faults)
            target.must_serve(target.live)
        finally:
            target.shell(f"{' '.join(FILL)} --free {' '.join(SMALL_DISKS)}")
        return ending

    return Fault(
        name=name,
        what=f"no byte and no inode left for {place.name} in {place.step}",
        inject=inject,
        outcomes=frozenset(OUTCOMES[place.step]),
        loss_budget=LossBudget.ANSWERS_BEGUN if faults else LossBudget.NOTHING,
    )


def faults_of(
    record: Callable[[HostUnderTest], list[Place]], faults: str, label: str, steps: tuple[str, ...]
) -> Callable[[HostUnderTest], list[Fault]]:
    def expand(target: HostUnderTest) -> list[Fault]:
        places = [place for place in record(target) if place.kind == "write" and place.step in steps]
        small = [place for place in places if place.name.startswith(tuple(SMALL_DISKS))]
        return [full(place, faults, f"disk/{label}{place.step}{_short(place.name)}") for place in small]

    return expand


def _short(path: str) -> str:
    for place in SMALL_DISKS:
        path = path.replace(place, "/" + place.split("/")[1])
    return path


GROUPS = (
    Group(
        "disk/",
        expand=faults_of(cuts.healthy, "", "", ("stage", "flip", "bake")),
        kind="small-disks",
        minutes=7,
    ),
    Group(
        "disk/dying/",
        expand=faults_of(cuts.dying, cuts.DYING, "dying/", ("bake", "revert")),
        kind="small-disks",
        minutes=4,
    ),
)
