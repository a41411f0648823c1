"""The host itself goes away in the middle of a command, and comes back. Its clock jumps."""

from collections.abc import Callable

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import HOME, Place
from lab.chaos.host_under_test import HostUnderTest

BOOTED_SECONDS = 60.0
STAGING = Place("stage", "did", "started SLOT")
FLIPPING = Place("flip", "did", "pointed nginx to SLOT")
BAKING = Place("bake", "did", "began")


def interrupted(
    name: str, what: str, place: Place, outcomes: set[str], interrupt: Callable[[HostUnderTest], None]
) -> Fault:
    """The command stands still at the place until the host goes away under it."""

    def inject(station: HostUnderTest) -> Ending:
        station.fault_injector.inject(place, "/bin/sh", "-c", "sleep 300")
        upload = station.upload()
        station.until(station.fault_injector.struck, 60, f"a command came to {place}")
        interrupt(station)
        outcome = station.outcome(upload, 150)
        station.until(lambda: station.serving() == station.live, BOOTED_SECONDS, "users are served again")
        return Ending(outcome)

    return Fault(name, what, inject, frozenset(outcomes), LossBudget.WHILE_DOWN)


def reboot(station: HostUnderTest) -> None:
    station.machine.reboot()


def cut_power(station: HostUnderTest) -> None:
    station.machine.kill()
    station.machine.start()


def jumped(name: str, seconds: float) -> Fault:
    """The program's clock is wrong from the end of the staging on."""

    def inject(station: HostUnderTest) -> Ending:
        place = Place("stage", "did", "verified SLOT")
        station.fault_injector.inject(place, "/bin/sh", "-c", f"echo {seconds} >{HOME}/clock")
        upload = station.upload()
        outcome = station.outcome(upload)
        station.must_serve(upload.label)
        return Ending(outcome)

    what = f"the clock that the program reads jumps by {seconds / 3600:+.0f} h after staging"
    return Fault(name, what, inject, frozenset({"LIVE"}))


FAULTS = (
    interrupted(
        "host/rebooted-while-staging", "a reboot while the new release starts", STAGING, {"LIVE"}, reboot
    ),
    interrupted(
        "host/rebooted-while-flipping", "a reboot right after the flag moved", FLIPPING, {"LIVE"}, reboot
    ),
    interrupted(
        "host/rebooted-while-baking",
        "a reboot in the bake: the process that was verified is gone",
        BAKING,
        {"REVERTED"},
        reboot,
    ),
    interrupted(
        "host/power-cut-while-flipping", "no power right after the flag moved", FLIPPING, {"LIVE"}, cut_power
    ),
)

GROUPS = (
    Group("host/", FAULTS, minutes=2),
    Group("clock/", (jumped("clock/an-hour-ahead", 3600.0), jumped("clock/an-hour-back", -3600.0))),
)
