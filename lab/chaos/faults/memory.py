"""There is not enough memory for two releases."""

from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated
from lab.project import OTHER

SPARE_BYTES = 35 * 1024 * 1024
"""Enough for the commands, too little for a second process."""


def heap_that_cannot_be_had(target: HostUnderTest) -> Ending:
    target.configure(java_options=["-Xms8000g", "-Xmx8000g", "-XX:+AlwaysPreTouch"])
    outcome = target.outcome(target.upload())
    target.must_serve(target.live)
    return Ending(outcome)


def too_little_for_two(target: HostUnderTest) -> Ending:
    """The idle slot's process is stopped, then the host's memory is limited to little more than is in use."""
    slot, pid = target.slot_of(target.live)
    target.shell(f"systemctl stop twinslot-{target.app}@{OTHER[slot]}")
    target.machine.limit_memory(target.machine.memory_bytes() + SPARE_BYTES)
    try:
        outcome = target.outcome(target.upload())
        target.must_serve(target.live)
        now = target.slot_of(target.live)[1]
        if outcome == "FAILED" and now != pid:
            raise InvariantViolated(
                f"the kernel killed the live process for lack of memory, and the deployment {outcome}"
            )
    finally:
        target.machine.limit_memory(None)
    return Ending(outcome)


GROUPS = (
    Group(
        "memory/",
        (
            Fault(
                "memory/heap-that-cannot-be-had",
                "the settings request a heap that no machine has",
                heap_that_cannot_be_had,
                frozenset({"FAILED"}),
            ),
            Fault(
                "memory/too-little-for-two",
                "the host has memory for one: the kernel kills a process, and it must not be the live one",
                too_little_for_two,
                frozenset({"FAILED"}),
            ),
        ),
    ),
)
