"""Not enough memory for two of them."""

from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated

SPARE_BYTES = 35 * 1024 * 1024
"""Enough for the commands, and less than a second process takes besides."""


def heap_that_cannot_be_had(station: HostUnderTest) -> Ending:
    station.configure(java_options=["-Xms8000g", "-Xmx8000g", "-XX:+AlwaysPreTouch"])
    outcome = station.outcome(station.upload())
    station.must_serve(station.live)
    return Ending(outcome)


def too_little_for_two(station: HostUnderTest) -> Ending:
    """The idle slot's process is ended, then the host gets hardly more memory than is in use."""
    slot, pid = station.slot_of(station.live)
    other = {"blue": "green", "green": "blue"}[slot]
    station.shell(f"systemctl stop twinslot-{station.app}@{other}")
    station.machine.limit_memory(station.machine.memory_bytes() + SPARE_BYTES)
    try:
        outcome = station.outcome(station.upload())
        station.must_serve(station.live)
        now = station.slot_of(station.live)[1]
        if outcome == "FAILED" and now != pid:
            raise InvariantViolated(
                f"the live process was ended for want of memory, though the deployment {outcome}"
            )
    finally:
        station.machine.limit_memory(None)
    return Ending(outcome)


GROUPS = (
    Group(
        "memory/",
        (
            Fault(
                "memory/heap-that-cannot-be-had",
                "the settings ask for a heap that no machine has",
                heap_that_cannot_be_had,
                frozenset({"FAILED"}),
            ),
            Fault(
                "memory/too-little-for-two",
                "the host has memory for one: the kernel ends another, and it must not be the live one",
                too_little_for_two,
                frozenset({"FAILED"}),
            ),
        ),
    ),
)
