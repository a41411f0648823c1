"""Releases that are bad, each in its own way."""

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated

STOP_SECONDS = 120.0
"""systemd gives a process 45 s to end by itself before it is killed."""

OTHER = {"blue": "green", "green": "blue"}
PORTS = {"blue": 8081, "green": 8082}


def deployed(
    faults: str, name: str, what: str, outcomes: set[str], loss_budget: LossBudget = LossBudget.NOTHING
) -> Fault:
    """A release with these faults of the sample application."""

    def inject(station: HostUnderTest) -> Ending:
        upload = station.upload(faults)
        ended = station.outcome(upload)
        station.must_serve(station.live)
        return Ending(ended, upload.label)

    return Fault(name, what, inject, frozenset(outcomes), loss_budget)


def ignoring_sigterm(station: HostUnderTest) -> Ending:
    """It is good but does not stop: what needs its slot waits until systemd has killed it."""
    stubborn = station.upload("ignores-sigterm")
    if station.outcome(stubborn) != "LIVE":
        raise InvariantViolated("a release that only ignores SIGTERM did not go live")
    station.deploy()
    outcome = station.outcome(station.upload(), STOP_SECONDS)
    station.must_serve(station.live)
    return Ending(outcome)


def answering_for_another(station: HostUnderTest) -> Ending:
    """The new process listens elsewhere, and at its port a process of the old release answers."""
    live, _ = station.slot_of(station.live)
    old = f"$(readlink -f /opt/twinslot/{station.app}/slots/{live})/app.jar"
    port = PORTS[OTHER[live]]
    run = f"systemd-run --quiet --unit=old --setenv=SERVER_PORT={port} java -jar {old}"
    station.fault_injector.inject(Place("stage", "did", "started SLOT"), "/bin/sh", "-c", run)
    try:
        outcome = station.outcome(station.upload("other-port=9999"))
        station.must_serve(station.live)
    finally:
        station.shell("systemctl stop old || true")
    return Ending(outcome)


FAULTS = (
    deployed("dies-at-start", "jar/dies-at-start", "it ends before it opens its port", {"FAILED"}),
    deployed(
        "dies-after=live+0.5",
        "jar/dies-in-its-bake",
        "it ends half a second after it went live",
        {"REVERTED"},
        LossBudget.ANSWERS_BEGUN,
    ),
    deployed(
        "errors-after=0", "jar/healthy-and-nothing-else", "it answers health and fails all else", {"REVERTED"}
    ),
    deployed(
        "leaks-threads=live+0.5",
        "jar/leaks-threads",
        "it takes every thread that it can have, and may live on",
        {"LIVE", "REVERTED"},
    ),
    Fault(
        "jar/answers-by-the-old-ones-process",
        "another process answers health at its port",
        answering_for_another,
        frozenset({"FAILED"}),
    ),
)

GROUPS = (
    Group("jar/", FAULTS, minutes=1.5),
    Group(
        "jar/ignores-sigterm",
        (
            Fault(
                "jar/ignores-sigterm",
                "it does not stop by itself when its slot is needed",
                ignoring_sigterm,
                frozenset({"LIVE"}),
                deployments=3,
            ),
        ),
        minutes=1.5,
    ),
)
