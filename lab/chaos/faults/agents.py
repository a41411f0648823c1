"""The SSM agent stops, for a while or for good."""

import time

from lab.chaos.calls import Answering, Call
from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest
from lab.sandbox.api.gateway import Answer

ONLINE_SECONDS = 20.0


def restarted_while_staging(target: HostUnderTest) -> Ending:
    """The script goes on without the agent; when the agent is back, it runs the command again."""
    stop = ("/bin/sh", "-c", "systemctl stop amazon-ssm-agent")
    target.fault_injector.inject(Place("stage", "did", "started SLOT"), *stop)
    upload = target.upload()
    target.until(target.fault_injector.injected, 60, "the agent was stopped")
    gone = time.monotonic()
    target.until(lambda: time.monotonic() > gone + 8, 10, "8 s have passed")
    target.host.start_agent()
    outcome = target.outcome(upload)
    target.must_serve(upload.label)
    return Ending(outcome)


def gone_at_flip(target: HostUnderTest, seconds: float, outcome_seconds: float) -> Ending:
    """The agent stops when staging has ended, so that the command to flip is not run."""

    def stop_at_flip(call: Call, answer: Answering) -> Answer:
        is_flip = call.name == "ssm:SendCommand" and call.request.json["Parameters"]["step"] == ["flip"]
        if is_flip and call.concerns(target.app):
            target.host.stop_agent()
        return answer(call.request)

    with target.calls.intercepted(stop_at_flip):
        upload = target.upload()
        target.until(lambda: not target.is_online(), 60, "the agent is gone")
        try:
            gone = time.monotonic()
            if seconds:
                target.until(
                    lambda: time.monotonic() > gone + seconds,
                    seconds + 5,
                    "the agent has been gone long enough",
                )
                target.host.start_agent()
            outcome = target.outcome(upload, outcome_seconds)
        finally:
            target.host.start_agent()
    target.until(target.is_online, ONLINE_SECONDS, "the agent is back")
    target.must_serve(target.live)
    return Ending(outcome)


def gone_before(target: HostUnderTest) -> Ending:
    target.host.stop_agent()
    try:
        target.until(lambda: not target.is_online(), 30, "SSM considers the agent lost")
        upload = target.upload()
        outcome = target.outcome(upload)
        target.must_serve(target.live)
    finally:
        target.host.start_agent()
    target.until(target.is_online, ONLINE_SECONDS, "the agent is back")
    return Ending(outcome)


GROUPS = (
    Group(
        "agent/gone-for-good-at-the-flip",
        (
            Fault(
                "agent/gone-for-good-at-the-flip",
                "the agent is stopped once staging has ended, and stays stopped",
                lambda target: gone_at_flip(target, 0, 400),
                frozenset({"REVERTED"}),
            ),
        ),
        minutes=6,
    ),
    Group(
        "agent/",
        (
            Fault(
                "agent/gone-for-a-while-at-the-flip",
                "the agent is stopped once staging has ended, and started again 15 s later",
                lambda target: gone_at_flip(target, 15, 90),
                frozenset({"LIVE"}),
            ),
            Fault(
                "agent/gone-for-a-while-while-staging",
                "the agent is stopped while its script runs, and started again 8 s later",
                restarted_while_staging,
                frozenset({"LIVE"}),
            ),
            Fault(
                "agent/gone-for-good-before-the-upload",
                "the agent is stopped, and stays stopped",
                gone_before,
                frozenset({"REFUSED"}),
            ),
        ),
        minutes=2,
    ),
)
