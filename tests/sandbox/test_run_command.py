"""Commands reach agents once, end once, and are given up in time."""

import time
from typing import Any

import pytest

from lab.sandbox.services.documents import Script
from lab.sandbox.services.run_command import Change, Command, Invocation, RunCommand

DONE = {"stdout": "ok\n", "stderr": "", "exit_code": 0, "cancelled": False, "timed_out": False}


class Desk:
    """A RunCommand, the changes that it told, and two instances with agents."""

    def __init__(self, latency: float = 0.0) -> None:
        self.told: list[Change] = []
        self.greeted: list[str] = []
        self.run_command = RunCommand(self.told.append, self.greeted.append, latency, silent_seconds=60)
        for instance in ("i-1", "i-2"):
            self.run_command.register(instance, "10.0.0.1", instance)

    def send(self, *instances: str, delivery_seconds: int = 60) -> Command:
        script = Script("step", "echo ok", {}, 60)
        command = Command(
            "document", "1", {}, script, {}, delivery_seconds, {each: Invocation(each) for each in instances}
        )
        self.run_command.send(command)
        return command

    def poll(self, instance: str) -> dict[str, Any]:
        return self.run_command.poll(instance, {}, seconds=0)

    def statuses(self, instance: str | None = None) -> list[str]:
        return [change.status for change in self.told if change.instance == instance]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_each_agent_gets_a_command_once(desk: Desk) -> None:
    command = desk.send("i-1", "i-2")

    assert [order["command"] for order in desk.poll("i-1")["run"]] == [command.id]
    assert desk.poll("i-1")["run"] == []
    assert [order["command"] for order in desk.poll("i-2")["run"]] == [command.id]


def test_a_command_succeeds_when_its_last_host_has(desk: Desk) -> None:
    command = desk.send("i-1", "i-2")
    desk.poll("i-1")
    desk.poll("i-2")

    desk.run_command.report("i-1", command.id, DONE)
    assert desk.statuses() == ["InProgress"]
    desk.run_command.report("i-2", command.id, DONE)

    assert desk.statuses() == ["InProgress", "Success"]
    assert desk.statuses("i-1") == ["InProgress", "Success"]


@pytest.mark.parametrize(
    ("result", "status", "details"),
    [
        ({"exit_code": 1}, "Failed", "Failed"),
        ({"exit_code": 168}, "Success", "Success"),
        ({"exit_code": 137}, "TimedOut", "ExecutionTimedOut"),
        ({"exit_code": 137, "timed_out": True}, "TimedOut", "ExecutionTimedOut"),
        ({"exit_code": 137, "cancelled": True}, "Cancelled", "Cancelled"),
    ],
)
def test_a_scripts_end_is_read_as_the_agent_reads_it(
    desk: Desk, result: dict[str, Any], status: str, details: str
) -> None:
    command = desk.send("i-1")
    desk.poll("i-1")

    desk.run_command.report("i-1", command.id, DONE | result)

    invocation = command.invocations["i-1"]
    assert (invocation.status, invocation.details) == (status, details)
    assert command.status == status


def test_one_failed_host_fails_the_command(desk: Desk) -> None:
    command = desk.send("i-1", "i-2")
    for instance, code in (("i-1", 1), ("i-2", 0)):
        desk.poll(instance)
        desk.run_command.report(instance, command.id, DONE | {"exit_code": code})

    assert command.status == "Failed"


def test_a_second_report_changes_nothing(desk: Desk) -> None:
    command = desk.send("i-1")
    desk.poll("i-1")
    desk.run_command.report("i-1", command.id, DONE)

    desk.run_command.report("i-1", command.id, DONE | {"exit_code": 1})

    assert command.status == "Success"
    assert desk.statuses() == ["InProgress", "Success"]


def test_what_no_agent_fetched_in_time_is_not_delivered(desk: Desk) -> None:
    command = desk.send("i-1", delivery_seconds=-1)

    desk.run_command.expire()

    assert (command.status, command.details) == ("TimedOut", "DeliveryTimedOut")
    assert desk.poll("i-1")["run"] == []


def test_a_cancellation_ends_what_has_not_begun_and_tells_the_agent_of_what_has(desk: Desk) -> None:
    command = desk.send("i-1", "i-2")
    desk.poll("i-1")

    desk.run_command.cancel(command, [])

    assert command.invocations["i-2"].status == "Cancelled"
    assert desk.poll("i-1")["cancel"] == [command.id]
    assert desk.poll("i-1")["cancel"] == []


def test_a_command_to_no_host_succeeds(desk: Desk) -> None:
    command = desk.send()

    assert (command.status, command.details) == ("Success", "NoInstancesInTag")
    assert desk.statuses() == ["Success"]


def test_long_output_is_cut_and_says_so(desk: Desk) -> None:
    command = desk.send("i-1")
    desk.poll("i-1")

    desk.run_command.report("i-1", command.id, DONE | {"stdout": "x" * 30_000, "stderr": "y" * 9_000})

    invocation = command.invocations["i-1"]
    assert (len(invocation.stdout), len(invocation.stderr)) == (24_000, 8_000)
    assert invocation.stdout.endswith("--output truncated--")


def test_an_agent_waits_out_the_latency() -> None:
    desk = Desk(latency=0.2)
    sent = time.time()
    desk.send("i-1")

    assert desk.poll("i-1")["run"] == []
    assert desk.run_command.poll("i-1", {}, seconds=5)["run"]
    assert time.time() - sent >= 0.2


def test_an_instance_that_is_not_registered_gets_nothing(desk: Desk) -> None:
    desk.send("i-3")

    assert desk.poll("i-3") == {"run": [], "cancel": []}
    assert set(desk.run_command.agents()) == set()
