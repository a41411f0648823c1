"""SSM Run Command: commands, their invocations on hosts, and the agents that poll for them. Its API is in
ssm_api.py.

    Pending -> InProgress -> Success | Failed | TimedOut (execution) | Cancelled
       +-----> TimedOut (delivery) | Cancelled

A command ends with its last invocation. Each change of a command or an invocation becomes an event, which is
emitted outside of all locks.
"""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.sandbox.services.documents import Script

STDOUT_CHARACTERS = 24_000
STDERR_CHARACTERS = 8_000
TRUNCATED = "--output truncated--"
UNFINISHED = ("Pending", "InProgress", "Cancelling")


@dataclass
class Invocation:
    """A command's execution on one host. Times are seconds since the epoch, 0 until they are known."""

    instance: str
    status: str = "Pending"
    details: str = "Pending"
    stdout: str = ""
    stderr: str = ""
    exit_code: int = -1
    started: float = 0.0
    ended: float = 0.0

    @property
    def finished(self) -> bool:
        return self.status not in UNFINISHED


@dataclass
class Command:
    """One SendCommand and its invocations by instance id."""

    document: str
    document_version: str
    parameters: dict[str, list[str]]
    script: Script
    request: dict[str, Any]
    delivery_seconds: int
    invocations: dict[str, Invocation]
    association: str = ""
    """The id of the State Manager association that this is a run of, "" for a command that was sent."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    requested: float = field(default_factory=time.time)
    status: str = "Pending"
    details: str = "Pending"

    @property
    def deliver_by(self) -> float:
        return self.requested + self.delivery_seconds

    @property
    def expires_after(self) -> float:
        """Return when the command counts as not delivered, even if it has started."""
        return self.deliver_by + self.script.seconds


@dataclass
class Agent:
    """An instance's agent: its last poll, and the cancellations that it has not fetched."""

    address: str
    name: str
    platform: dict[str, str] = field(default_factory=dict)
    last_ping: float = 0.0
    cancelled: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """The new status of a command (`instance` is None) or of an invocation."""

    command: Command
    status: str
    instance: str | None


class RunCommand:
    """All commands and agents. `on_change` is called with each change, `on_first_poll` with an instance whose
    agent polls for the first time.

    An agent gets a command `latency` seconds after it was sent; its connection counts as lost after
    `silent_seconds` without a poll (AWS: minutes).
    """

    def __init__(
        self,
        on_change: Callable[[Change], None],
        on_first_poll: Callable[[str], None],
        latency: float,
        silent_seconds: float,
    ) -> None:
        self._on_change = on_change
        self._on_first_poll = on_first_poll
        self._latency = latency
        self._silent_seconds = silent_seconds
        self._changed = threading.Condition()
        self._commands: dict[str, Command] = {}
        self._agents: dict[str, Agent] = {}
        self._closing = False

    def commands(self) -> list[Command]:
        """Return the commands that were sent, the newest first."""
        with self._changed:
            return [each for each in reversed(self._commands.values()) if not each.association]

    def find(self, command_id: str) -> Command | None:
        """Return the command that was sent with this id."""
        with self._changed:
            found = self._commands.get(command_id)
            return found if found and not found.association else None

    def runs(self, association: str) -> list[Command]:
        """Return the runs of an association, the newest first."""
        with self._changed:
            return [each for each in reversed(self._commands.values()) if each.association == association]

    def agents(self) -> dict[str, Agent]:
        with self._changed:
            return {instance: agent for instance, agent in self._agents.items() if agent.last_ping}

    def is_online(self, agent: Agent) -> bool:
        return time.time() - agent.last_ping < self._silent_seconds

    def register(self, instance: str, address: str, name: str) -> None:
        """Register an instance; it has an agent once that has polled."""
        with self._changed:
            self._agents[instance] = Agent(address, name)

    def forget(self, instance: str) -> None:
        with self._changed:
            self._agents.pop(instance, None)

    def send(self, command: Command) -> None:
        """Accept a validated command."""
        with self._changed:
            self._commands[command.id] = command
            if not command.invocations:
                command.status, command.details = "Success", "NoInstancesInTag"
            self._changed.notify_all()
        if not command.invocations:
            self._on_change(Change(command, "Success", None))

    def cancel(self, command: Command, instances: list[str]) -> None:
        """Cancel invocations: pending ones at once, running ones when their agent ends them."""
        changes: list[Change] = []
        with self._changed:
            for invocation in command.invocations.values():
                if invocation.finished or (instances and invocation.instance not in instances):
                    continue
                if invocation.status == "Pending":
                    changes += self._end(command, invocation, "Cancelled", "Cancelled")
                else:
                    invocation.status = invocation.details = "Cancelling"
                    agent = self._agents.get(invocation.instance)
                    if agent:
                        agent.cancelled.append(command.id)
            self._changed.notify_all()
        self._emit(changes)

    def poll(
        self,
        instance: str,
        platform: dict[str, str],
        seconds: float,
        connected: Callable[[], bool] = lambda: True,
    ) -> dict[str, Any]:
        """Return the commands for an agent to run and the ids of those to cancel; wait up to `seconds` for
        them.

        An agent that is no longer `connected` gets nothing, so that the command is delivered to its
        successor.
        """
        deadline = time.monotonic() + seconds
        changes: list[Change] = []
        answer: dict[str, Any] = {"run": [], "cancel": []}
        with self._changed:
            agent = self._agents.get(instance)
            if agent is None:
                return answer
            is_new = not agent.last_ping
            agent.last_ping, agent.platform = time.time(), platform
        if is_new:
            self._on_first_poll(instance)
        with self._changed:
            while connected() and not (self._closing or answer["run"] or answer["cancel"]):
                answer["cancel"], agent.cancelled = agent.cancelled, []
                for command in self._due(instance):
                    changes += self._begin(command, command.invocations[instance])
                    answer["run"].append(_for_agent(command, instance))
                left = deadline - time.monotonic()
                if left <= 0 or answer["run"] or answer["cancel"]:
                    break
                self._changed.wait(min(left, self._next_due(instance)))
        self._emit(changes)
        return answer

    def report(self, instance: str, command_id: str, result: dict[str, Any]) -> None:
        """Take the result of a script. Ignored when the command has ended already."""
        changes: list[Change] = []
        with self._changed:
            command = self._commands.get(command_id)
            invocation = command.invocations.get(instance) if command else None
            if command is None or invocation is None or invocation.finished:
                return
            invocation.stdout = _cut(result["stdout"], STDOUT_CHARACTERS)
            invocation.stderr = _cut(result["stderr"], STDERR_CHARACTERS)
            invocation.exit_code = result["exit_code"]
            changes += self._end(command, invocation, *_verdict(result))
        self._emit(changes)

    def expire(self) -> None:
        """End what was not delivered or finished in time. To be called regularly."""
        now = time.time()
        changes: list[Change] = []
        with self._changed:
            for command in self._commands.values():
                for invocation in command.invocations.values():
                    undelivered = invocation.status == "Pending" and now > command.deliver_by
                    if undelivered or (not invocation.finished and now > command.expires_after):
                        changes += self._end(command, invocation, "TimedOut", "DeliveryTimedOut")
        self._emit(changes)

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _due(self, instance: str) -> list[Command]:
        now = time.time()
        return [
            command
            for command in self._commands.values()
            if self._is_waiting(command, instance) and now >= command.requested + self._latency
        ]

    def _next_due(self, instance: str) -> float:
        """Return the seconds until the instance's next command is due, at most one."""
        now = time.time()
        coming = [
            command.requested + self._latency - now
            for command in self._commands.values()
            if self._is_waiting(command, instance)
        ]
        return max(0.001, min([1.0, *coming]))

    @staticmethod
    def _is_waiting(command: Command, instance: str) -> bool:
        invocation = command.invocations.get(instance)
        return invocation is not None and invocation.status == "Pending"

    @staticmethod
    def _begin(command: Command, invocation: Invocation) -> list[Change]:
        invocation.status = invocation.details = "InProgress"
        invocation.started = time.time()
        changes = [Change(command, "InProgress", invocation.instance)]
        if command.status == "Pending":
            command.status = command.details = "InProgress"
            changes.append(Change(command, "InProgress", None))
        return changes

    @staticmethod
    def _end(command: Command, invocation: Invocation, status: str, details: str) -> list[Change]:
        invocation.status, invocation.details, invocation.ended = status, details, time.time()
        changes = [Change(command, status, invocation.instance)]
        statuses = [each.status for each in command.invocations.values()]
        if all(each.finished for each in command.invocations.values()):
            worst = next(each for each in ("Failed", "TimedOut", "Cancelled", "Success") if each in statuses)
            command.status = worst
            command.details = next(
                each.details for each in command.invocations.values() if each.status == worst
            )
            changes.append(Change(command, worst, None))
        return changes

    def _emit(self, changes: list[Change]) -> None:
        for change in changes:
            self._on_change(change)


def _for_agent(command: Command, instance: str) -> dict[str, Any]:
    script = command.script
    return {
        "command": command.id,
        "instance": instance,
        "step": script.step,
        "script": script.text,
        "variables": script.variables,
        "seconds": script.seconds,
    }


def _verdict(result: dict[str, Any]) -> tuple[str, str]:
    """Return status and details as the real agent does: the exit codes 137 and 168 have special meanings."""
    if result["cancelled"]:
        return "Cancelled", "Cancelled"
    if result["timed_out"] or result["exit_code"] == 137:
        return "TimedOut", "ExecutionTimedOut"
    if result["exit_code"] in (0, 168):
        return "Success", "Success"
    return "Failed", "Failed"


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - len(TRUNCATED)] + TRUNCATED
