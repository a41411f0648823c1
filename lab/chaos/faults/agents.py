"""The SSM agent goes away, for a while or for good."""

import time

from lab.chaos.calls import Answering, Call
from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest
from lab.sandbox.api.gateway import Answer

ONLINE_SECONDS = 20.0


def restarted_while_staging(station: HostUnderTest) -> Ending:
    """The script goes on without the agent; the agent that comes back runs the command again."""
    stop = ("/bin/sh", "-c", "systemctl stop amazon-ssm-agent")
    station.fault_injector.inject(Place("stage", "did", "started SLOT"), *stop)
    upload = station.upload()
    station.until(station.fault_injector.struck, 60, "the agent was stopped")
    gone = time.monotonic()
    station.until(lambda: time.monotonic() > gone + 8, 10, "8 s have passed")
    station.host.start_agent()
    outcome = station.outcome(upload)
    station.must_serve(upload.label)
    return Ending(outcome)


def gone_at_flip(station: HostUnderTest, seconds: float, outcome_seconds: float) -> Ending:
    """The agent ends when all is staged, so that nobody takes the flip."""

    def stop_at_flip(call: Call, answer: Answering) -> Answer:
        is_flip = call.name == "ssm:SendCommand" and call.request.json["Parameters"]["step"] == ["flip"]
        if is_flip and call.concerns(station.app):
            station.host.stop_agent()
        return answer(call.request)

    with station.calls.intercepted(stop_at_flip):
        upload = station.upload()
        station.until(lambda: not station.is_online(), 60, "the agent is gone")
        try:
            gone = time.monotonic()
            if seconds:
                station.until(
                    lambda: time.monotonic() > gone + seconds, seconds + 5, "it is gone for a while"
                )
                station.host.start_agent()
            outcome = station.outcome(upload, outcome_seconds)
        finally:
            station.host.start_agent()
    station.until(station.is_online, ONLINE_SECONDS, "the agent is back")
    station.must_serve(station.live)
    return Ending(outcome)


def gone_before(station: HostUnderTest) -> Ending:
    station.host.stop_agent()
    try:
        station.until(lambda: not station.is_online(), 30, "the agent counts as lost")
        upload = station.upload()
        outcome = station.outcome(upload)
        station.must_serve(station.live)
    finally:
        station.host.start_agent()
    station.until(station.is_online, ONLINE_SECONDS, "the agent is back")
    return Ending(outcome)


GROUPS = (
    Group(
        "agent/gone-for-good-at-the-flip",
        (
            Fault(
                "agent/gone-for-good-at-the-flip",
                "the agent is stopped once all is staged and nobody starts it again",
                lambda station: gone_at_flip(station, 0, 400),
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
                "the agent is stopped once all is staged, and started again 15 s later",
                lambda station: gone_at_flip(station, 15, 90),
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
                "the agent is stopped and stays so",
                gone_before,
                frozenset({"REFUSED"}),
            ),
        ),
        minutes=2,
    ),
)
