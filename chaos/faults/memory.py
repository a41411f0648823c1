"""Not enough memory for two of them."""

from chaos.fault import Ending, Fault, Group, NotHeld
from chaos.station import Station

SPARE_BYTES = 12 * 1024 * 1024
"""More than the live process has now, and far less than a second one takes."""


def heap_that_cannot_be_had(station: Station) -> Ending:
    station.configure(java_options=["-Xms8000g", "-Xmx8000g", "-XX:+AlwaysPreTouch"])
    outcome = station.outcome(station.upload())
    station.must_serve(station.live)
    return Ending(outcome)


def too_little_for_two(station: Station) -> Ending:
    """The idle slot's process is ended, then both slots get a limit together that one of them nearly fills."""
    slot, pid = station.slot_of(station.live)
    other = {"blue": "green", "green": "blue"}[slot]
    station.shell(f"systemctl stop twinslot-{station.app}@{other}")
    group = f"system-twinslot\\\\x2d{station.app.replace('-', chr(92) * 2 + 'x2d')}.slice"
    limit_group(station, group)
    try:
        outcome = station.outcome(station.upload())
        station.must_serve(station.live)
        if station.slot_of(station.live)[1] != pid:
            raise NotHeld("the live process was ended for want of memory")
    finally:
        station.shell(f"systemctl set-property --runtime {group} MemoryMax=infinity")
    return Ending(outcome)


def limit_group(station: Station, group: str) -> None:
    used = station.shell(f"systemctl show --value --property=MemoryCurrent {group}").strip()
    if not used.isdigit():
        raise NotHeld(f"the host's systemd does not account memory: {used}")
    station.shell(f"systemctl set-property --runtime {group} MemoryMax={int(used) + SPARE_BYTES}")


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
                "the kernel kills one of two processes that share too small a limit",
                too_little_for_two,
                frozenset({"FAILED"}),
            ),
        ),
    ),
)
