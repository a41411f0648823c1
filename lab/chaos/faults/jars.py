"""Bad releases."""

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated
from lab.project import OTHER, PORTS

STOP_SECONDS = 120.0
"""systemd kills a process that has not ended 45 s after SIGTERM."""


def deployed(
    faults: str, name: str, what: str, outcomes: set[str], loss_budget: LossBudget = LossBudget.NOTHING
) -> Fault:
    """Return the fault that a release has these faults of lab.samples."""

    def inject(target: HostUnderTest) -> Ending:
        upload = target.upload(faults)
        ended = target.outcome(upload)
        target.must_serve(target.live)
        return Ending(ended, upload.label)

    return Fault(name, what, inject, frozenset(outcomes), loss_budget)


def ignoring_sigterm(target: HostUnderTest) -> Ending:
    """It is good but ignores SIGTERM: a deployment that needs its slot waits until systemd has killed it."""
    stubborn = target.upload("ignores-sigterm")
    if target.outcome(stubborn) != "LIVE":
        raise InvariantViolated("a release that only ignores SIGTERM did not go live")
    target.deploy()
    outcome = target.outcome(target.upload(), STOP_SECONDS)
    target.must_serve(target.live)
    return Ending(outcome)


def answering_for_another(target: HostUnderTest) -> Ending:
    """The new process listens on another port, and on its own a process of the old release answers."""
    live, _ = target.slot_of(target.live)
    old = f"$(readlink -f /opt/twinslot/{target.app}/slots/{live})/app.jar"
    port = PORTS[OTHER[live]]
    run = f"systemd-run --quiet --unit=old --setenv=SERVER_PORT={port} java -jar {old}"
    target.fault_injector.inject(Place("stage", "did", "started SLOT"), "/bin/sh", "-c", run)
    try:
        outcome = target.outcome(target.upload("other-port=9999"))
        target.must_serve(target.live)
    finally:
        target.shell("systemctl stop old || true")
    return Ending(outcome)


FAULTS = (
    deployed("dies-at-start", "jar/dies-at-start", "the process exits before it opens its port", {"FAILED"}),
    deployed(
        "dies-after=live+0.5",
        "jar/dies-in-its-bake",
        "the process exits half a second after it went live",
        {"REVERTED"},
        LossBudget.ANSWERS_BEGUN,
    ),
    deployed(
        "errors-after=0",
        "jar/healthy-and-nothing-else",
        "health answers UP, all other requests fail",
        {"REVERTED"},
    ),
    deployed(
        "leaks-threads=live+0.5",
        "jar/leaks-threads",
        "the process starts as many threads as it can, and may survive",
        {"LIVE", "REVERTED"},
    ),
    Fault(
        "jar/answers-by-the-old-ones-process",
        "another process answers health on its port",
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
                "the process does not stop when its slot is needed",
                ignoring_sigterm,
                frozenset({"LIVE"}),
                deployments=3,
            ),
        ),
        minutes=1.5,
    ),
)
