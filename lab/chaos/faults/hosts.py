"""The host reboots or loses power during a command; its clock jumps."""

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
    """Return the fault that the host is interrupted while a command waits at a place."""

    def inject(target: HostUnderTest) -> Ending:
        target.fault_injector.inject(place, "/bin/sh", "-c", "sleep 300")
        upload = target.upload()
        target.until(target.fault_injector.injected, 60, f"a command reaches {place}")
        interrupt(target)
        outcome = target.outcome(upload, 150)
        target.until(lambda: target.serving() == target.live, BOOTED_SECONDS, "users are served again")
        return Ending(outcome)

    return Fault(name, what, inject, frozenset(outcomes), LossBudget.WHILE_DOWN)


def reboot(target: HostUnderTest) -> None:
    target.machine.reboot()


def cut_power(target: HostUnderTest) -> None:
    target.machine.kill()
    target.machine.start()


def jumped(name: str, seconds: float) -> Fault:
    """Return the fault that the program's clock is wrong by `seconds` from the end of staging on."""

    def inject(target: HostUnderTest) -> Ending:
        place = Place("stage", "did", "verified SLOT")
        target.fault_injector.inject(place, "/bin/sh", "-c", f"echo {seconds} >{HOME}/clock")
        upload = target.upload()
        outcome = target.outcome(upload)
        target.must_serve(upload.label)
        return Ending(outcome)

    what = f"the system clock of the program jumps by {seconds / 3600:+.0f} h after staging"
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
        "a reboot during the bake: the process that was verified is gone",
        BAKING,
        {"REVERTED"},
        reboot,
    ),
    interrupted(
        "host/power-cut-while-flipping",
        "a power cut right after the flag moved",
        FLIPPING,
        {"LIVE"},
        cut_power,
    ),
)

GROUPS = (
    Group("host/", FAULTS, minutes=2),
    Group("clock/", (jumped("clock/an-hour-ahead", 3600.0), jumped("clock/an-hour-back", -3600.0))),
)
