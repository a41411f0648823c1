"""What a LIVE deployment to one host cost, from the records of Lambda and SSM."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.sandbox.services.lambda_functions import Invocation

PAUSES_OF_A_START = 0.2
"""Seconds. The start that a host reports has three health checks, and the two pauses between them are the
product's (host/twinslot_host/slot/health.py)."""

SCHEDULED = b'"Scheduled Event"'


@dataclass(frozen=True)
class Command:
    """An SSM command: when it was sent, began and finished on the host, and when the controller was notified.

    `start_seconds` is how long the release took to answer, 0 when the command started none; `bake_seconds` is
    the bake's setting, 0 for another command.
    """

    sent: float
    began: float
    finished: float
    notified: float
    start_seconds: float = 0.0
    bake_seconds: float = 0.0

    @property
    def latency(self) -> float:
        """Return the seconds that SSM took to deliver the command, and to notify the controller of its
        end."""
        return self.began - self.sent + self.notified - self.finished


@dataclass(frozen=True)
class Cost:
    """The cost of a deployment. `seconds` are from the upload to the announcement; `handler_ms` has each
    invocation in that time, without those by the schedule, which come without a deployment too."""

    seconds: float
    commands: tuple[Command, ...]
    handler_ms: tuple[float, ...]

    @property
    def controller_ms(self) -> float:
        return sum(self.handler_ms)

    @property
    def overhead_seconds(self) -> float:
        """Return the seconds without the release's start, the bake and SSM's latency."""
        others = sum(each.latency + each.start_seconds + each.bake_seconds for each in self.commands)
        return self.seconds - others


def cost(
    ssm: Any,
    all_invocations: Sequence[Invocation],
    deployment: str,
    requested: float,
    announced: float,
    bake: float,
) -> Cost:
    """Return what the deployment cost that was requested and announced at these times. `bake` is in seconds.

    `ssm` is a boto3 client. Raises ValueError when the deployment sent no command.
    """
    invocations = [
        each
        for each in all_invocations
        if requested <= each.at <= announced and SCHEDULED not in each.payload
    ]
    sent = [
        command
        for page in ssm.get_paginator("list_commands").paginate()
        for command in page["Commands"]
        if command["Parameters"].get("deployment") == [deployment]
    ]
    if not sent:
        raise ValueError(f"no SSM command was sent for the deployment {deployment}")
    commands = []
    for command in sent:
        found = ssm.list_command_invocations(CommandId=command["CommandId"], Details=True)
        (plugin,) = found["CommandInvocations"][0]["CommandPlugins"]
        finished = _seconds(plugin["ResponseFinishDateTime"])
        commands.append(
            Command(
                _seconds(command["RequestedDateTime"]),
                _seconds(plugin["ResponseStartDateTime"]),
                finished,
                _notified(invocations, command["CommandId"], finished),
                _start_seconds(plugin["Output"]),
                bake if command["Parameters"]["verb"] == ["bake"] else 0.0,
            )
        )
    return Cost(announced - requested, tuple(commands), tuple(each.milliseconds for each in invocations))


def _notified(invocations: Sequence[Invocation], command: str, finished: float) -> float:
    """Return when a function was first invoked with the command's end; without one, the schedule found it."""
    return min((each.at for each in invocations if command.encode() in each.payload), default=finished)


def _start_seconds(output: str) -> float:
    """Return how long the release took to start, from the host's report; 0 when none was started."""
    seconds = json.loads(output)["seconds"].get("start", 0.0)
    return max(0.0, float(seconds) - PAUSES_OF_A_START)


def _seconds(at: datetime) -> float:
    return at.timestamp()
