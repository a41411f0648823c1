"""What a deployment cost, out of SSM's and Lambda's records."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lab.sandbox.demo.costs import Command, Cost, cost
from lab.sandbox.services.lambda_functions import Invocation

DEPLOYMENT = "01JD3N2Q7W8X9Y0Z1A2B3C4D5E"


def command_record(id: str, verb: str, at: float, deployment: str = DEPLOYMENT) -> dict[str, Any]:
    when = datetime.fromtimestamp(at, UTC)
    return {
        "CommandId": id,
        "RequestedDateTime": when,
        "Parameters": {"verb": [verb], "deployment": [deployment]},
    }


def invocation_record(began: float, finished: float, seconds: dict[str, float]) -> dict[str, Any]:
    return {
        "CommandPlugins": [
            {
                "ResponseStartDateTime": datetime.fromtimestamp(began, UTC),
                "ResponseFinishDateTime": datetime.fromtimestamp(finished, UTC),
                "Output": json.dumps({"seconds": seconds}) + "\n",
            }
        ]
    }


class RunCommandRecords:
    """SSM's answers about commands, in two pages."""

    def __init__(self, commands: list[dict[str, Any]], invocations: dict[str, dict[str, Any]]) -> None:
        self._commands = commands
        self._invocations = invocations

    def get_paginator(self, call: str) -> "RunCommandRecords":
        assert call == "list_commands"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        return [{"Commands": self._commands[:1]}, {"Commands": self._commands[1:]}]

    def list_command_invocations(self, **asked: Any) -> dict[str, Any]:
        assert asked["Details"]
        return {"CommandInvocations": [self._invocations[asked["CommandId"]]]}


def invocation(at: float, milliseconds: float, payload: bytes = b"{}") -> Invocation:
    return Invocation("ssm_and_schedule", "id", at, milliseconds, False, False, payload, b"null")


RECORDS = RunCommandRecords(
    [
        command_record("c1", "stage", 1000.5),
        command_record("c2", "bake", 1003.0),
        command_record("c3", "stage", 1001.0, deployment="another"),
    ],
    {
        "c1": invocation_record(1000.75, 1002.5, {"download": 0.25, "start": 1.2}),
        "c2": invocation_record(1003.25, 1009.5, {}),
    },
)


def test_a_jars_start_the_bake_and_ssms_latency_are_not_twinslots() -> None:
    notified = [
        invocation(1003.0, 50, b'{"command-id": "c1"}'),
        invocation(1009.5, 60, b'{"command-id": "c2"}'),
    ]
    spent = cost(RECORDS, notified, DEPLOYMENT, 1000.0, 1010.0, bake=6.0)
    assert spent.commands == (
        Command(1000.5, 1000.75, 1002.5, 1003.0, start_seconds=1.0),
        Command(1003.0, 1003.25, 1009.5, 1009.5, bake_seconds=6.0),
    )
    assert [each.latency for each in spent.commands] == [0.75, 0.25]
    assert spent.overhead_seconds == pytest.approx(10.0 - 0.75 - 0.25 - 1.0 - 6.0)
    assert spent.controller_ms == 110


def test_invocations_outside_of_the_deployment_and_the_schedules_do_not_count() -> None:
    tick = json.dumps({"detail-type": "Scheduled Event"}).encode()
    around = [
        invocation(999.0, 1),
        invocation(1000.0, 10),
        invocation(1004.0, 100, tick),
        invocation(1011.0, 1),
    ]
    assert cost(RECORDS, around, DEPLOYMENT, 1000.0, 1010.0, bake=6.0).handler_ms == (10,)


def test_an_end_that_only_the_schedule_found_has_no_latency() -> None:
    (staged, _) = cost(RECORDS, [], DEPLOYMENT, 1000.0, 1010.0, bake=6.0).commands
    assert staged.notified == staged.finished


def test_a_start_that_was_quicker_than_its_pauses_costs_nothing() -> None:
    records = RunCommandRecords(
        [command_record("c1", "stage", 1.0)], {"c1": invocation_record(1.0, 2.0, {"start": 0.1})}
    )
    assert cost(records, [], DEPLOYMENT, 0.0, 3.0, bake=6.0).commands[0].start_seconds == 0.0


def test_a_deployment_without_commands_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="no SSM command"):
        cost(RECORDS, [], "unknown", 1000.0, 1010.0, bake=6.0)


def test_a_deployment_without_handlers_work_is_free() -> None:
    assert Cost(1.5, (), ()).controller_ms == 0
    assert Cost(1.5, (), ()).overhead_seconds == 1.5
