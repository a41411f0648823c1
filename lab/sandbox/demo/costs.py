"""What a LIVE deployment to one host cost, by Lambda's and SSM's own records of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.sandbox.services.lambda_functions import Invocation

PAUSES_OF_A_START = 0.2
"""Seconds: of what a host reports as a jar's start, the two pauses between its three health checks are the
product's own (host/twinslot_host/start.py)."""

TICK = b'"Scheduled Event"'


@dataclass(frozen=True)
class Command:
    """An SSM command on the host: when it was sent, began and finished there, and the controller heard of it.

    `start_seconds` is how long the jar it started took until it answered, 0 when it started none;
    `bake_seconds` is how long it was told to watch the release, 0 when that was not its work.
    """

    sent: float
    began: float
    finished: float
    heard: float
    start_seconds: float = 0.0
    bake_seconds: float = 0.0

    @property
    def latency(self) -> float:
        """What SSM took to bring the command to the host, and the news of its end to the controller."""
        return self.began - self.sent + self.heard - self.finished


@dataclass(frozen=True)
class Cost:
    """`seconds` go from the upload to the announcement; `handler_ms` has each invocation in that time, less
    the clock's, which come with or without a deployment."""

    seconds: float
    commands: tuple[Command, ...]
    handler_ms: tuple[float, ...]

    @property
    def controller_ms(self) -> float:
        return sum(self.handler_ms)

    @property
    def overhead_seconds(self) -> float:
        """The seconds less the jar's own start, the bake, and SSM's latency."""
        others = sum(each.latency + each.start_seconds + each.bake_seconds for each in self.commands)
        return self.seconds - others


def cost(
    ssm: Any, all_invocations: Sequence[Invocation], deployment: str, asked: float, told: float, bake: float
) -> Cost:
    """What the deployment cost that was asked for and announced at these times, its bake this long.

    `ssm` is a client for Run Command. Raises ValueError when the deployment sent no command.
    """
    invocations = [each for each in all_invocations if asked <= each.at <= told and TICK not in each.payload]
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
                _heard(invocations, command["CommandId"], finished),
                _start_seconds(plugin["Output"]),
                bake if command["Parameters"]["verb"] == ["bake"] else 0.0,
            )
        )
    return Cost(told - asked, tuple(commands), tuple(each.milliseconds for each in invocations))


def _heard(invocations: Sequence[Invocation], command: str, finished: float) -> float:
    """When a function was first invoked with the news. The clock knows no command's id: no latency then."""
    return min((each.at for each in invocations if command.encode() in each.payload), default=finished)


def _start_seconds(output: str) -> float:
    """How long the jar took to start, by the host's report; 0 when it started none."""
    seconds = json.loads(output)["seconds"].get("start", 0.0)
    return max(0.0, float(seconds) - PAUSES_OF_A_START)


def _seconds(at: datetime) -> float:
    return at.timestamp()
