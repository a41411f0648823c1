"""EventBridge's default bus: events find the rules that match them, and the rules' targets, asynchronously.

Patterns are matched by moto's implementation of them. A function is only invoked where its policy lets this
rule do so; what cannot be delivered goes to the target's dead-letter queue.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab.sandbox.services.lambda_functions import Functions
from lab.sandbox.stack.moto_backends import ACCOUNT, LOCK, REGION, backend
from lab.sandbox.stack.resources import Stack, account_arn

RATE_SECONDS = {"minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86400, "days": 86400}


class CannotDeliver(Exception):
    """A target that will not take the event."""


@dataclass(frozen=True)
class _Permission:
    """One Lambda::Permission: who may invoke which function (its name), for which source's sake (None:
    any)."""

    function: str
    principal: str
    source_arn: str | None


class EventBus:
    """The bus and its clock. `send_to(arn, message)` puts a message into a queue; `seen` hears of every
    event.

    `schedule_factor` makes schedules tick that many times faster than the template says.
    """

    def __init__(
        self,
        functions: Functions,
        send_to: Callable[[str, dict[str, Any]], None],
        seen: Callable[[dict[str, Any]], None],
        schedule_factor: float,
    ) -> None:
        self._functions = functions
        self._send_to = send_to
        self._watchers = [seen]
        self._schedule_factor = schedule_factor
        self._permissions: tuple[_Permission, ...] = ()
        self._losing: list[Callable[[dict[str, Any]], bool]] = []
        self._closing = threading.Event()
        self._clocks: list[threading.Thread] = []

    def wire(self, stack: Stack) -> None:
        """Take over the stack's permissions and start its schedules."""
        self._permissions = tuple(
            _Permission(
                resource.properties["FunctionName"].split(":")[-1],
                resource.properties["Principal"],
                resource.properties.get("SourceArn"),
            )
            for resource in stack.of_kind("AWS::Lambda::Permission")
        )
        for rule in stack.of_kind("AWS::Events::Rule"):
            schedule = rule.properties.get("ScheduleExpression")
            if schedule:
                clock = threading.Thread(
                    target=self._tick,
                    args=(rule.id, _rate_seconds(schedule)),
                    name=f"clock-{rule.name}",
                    daemon=True,
                )
                self._clocks.append(clock)
                clock.start()

    def close(self) -> None:
        self._closing.set()
        for clock in self._clocks:
            clock.join()

    def watch(self, watcher: Callable[[dict[str, Any]], None]) -> None:
        """Let one more hear of every event."""
        self._watchers.append(watcher)

    def lose_next(self, matches: Callable[[dict[str, Any]], bool]) -> None:
        """Let the next event that matches get lost, as best-effort delivery may."""
        self._losing.append(matches)

    def emit(self, source: str, detail_type: str, resources: Iterable[str], detail: dict[str, Any]) -> None:
        """An event of an AWS service, now."""
        self.publish(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": detail_type,
                "source": source,
                "account": ACCOUNT,
                "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": REGION,
                "resources": list(resources),
                "detail": detail,
            }
        )

    def publish(self, event: dict[str, Any]) -> None:
        """Hand the event to every enabled rule that matches it. Returns before any function runs."""
        for matches in list(self._losing):
            if matches(event):
                self._losing.remove(matches)
                return
        for watcher in self._watchers:
            watcher(event)
        with LOCK:
            rules = list(backend("events").event_buses["default"].rules.values())
            chosen = [
                rule
                for rule in rules
                if rule.state == "ENABLED"
                and not rule.scheduled_expression
                and rule.event_pattern.matches_event(event)
            ]
        for rule in chosen:
            self.deliver(rule, event)

    def deliver(self, rule: Any, event: dict[str, Any]) -> None:
        """Hand the event to the targets of one rule."""
        for target in list(rule.targets):
            payload = target.get("Input") or json.dumps(event)
            try:
                self._deliver_to(rule.arn, target["Arn"], payload)
            except CannotDeliver as error:
                letters = target.get("DeadLetterConfig", {}).get("Arn")
                if not letters:
                    raise
                self._send_to(letters, {"error": str(error), "rule": rule.arn, "event": event})

    def _deliver_to(self, rule_arn: str, target_arn: str, payload: str) -> None:
        service = target_arn.split(":")[2]
        if service == "sqs":
            self._send_to(target_arn, json.loads(payload))
            return
        function = self._functions.find(target_arn) if service == "lambda" else None
        if function is None:
            raise CannotDeliver(f"the sandbox cannot deliver to {target_arn}")
        if not self.may_invoke(function.spec.name, "events.amazonaws.com", rule_arn):
            raise CannotDeliver(f"{function.spec.name} does not let {rule_arn} invoke it")
        self._functions.invoke_later(function, payload.encode())

    def may_invoke(self, function: str, principal: str, source_arn: str) -> bool:
        """Whether the function's policy lets a service invoke it for a source's sake."""
        return any(
            permission.function == function
            and permission.principal == principal
            and permission.source_arn in (None, source_arn)
            for permission in self._permissions
        )

    def _tick(self, rule_name: str, seconds: float) -> None:
        period = seconds / self._schedule_factor
        due = time.monotonic() + period
        while not self._closing.wait(max(0.0, due - time.monotonic())):
            due += period
            with LOCK:
                rule = backend("events").event_buses["default"].rules[rule_name]
            if rule.state == "ENABLED":
                self.deliver(rule, _scheduled(rule.arn))


def _scheduled(rule_arn: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [rule_arn],
        "detail": {},
    }


def _rate_seconds(expression: str) -> float:
    """Seconds between two ticks of rate(N UNIT); cron is not understood here."""
    count, _, unit = expression.removeprefix("rate(").removesuffix(")").partition(" ")
    if not expression.startswith("rate(") or not count.isdigit() or unit not in RATE_SECONDS:
        raise CannotDeliver(f"the sandbox does not understand the schedule {expression}")
    return int(count) * RATE_SECONDS[unit]


def queue_name(arn: str) -> str:
    """The name of a queue in this account, from its ARN."""
    name = arn.rpartition(":")[2]
    if arn != account_arn("sqs", name):
        raise CannotDeliver(f"{arn} is no queue of this account")
    return name
