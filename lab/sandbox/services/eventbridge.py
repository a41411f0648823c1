"""EventBridge's default bus: delivers events asynchronously to the targets of the rules that match them.

moto matches the patterns. A function is only invoked when its policy allows this rule to; what cannot be
delivered goes to the target's dead-letter queue.
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
    """The target does not accept the event."""


@dataclass(frozen=True)
class _Permission:
    """One Lambda::Permission: who may invoke which function (its name), and for which source (None: any)."""

    function: str
    principal: str
    source_arn: str | None


class EventBus:
    """The bus and its schedules. `send_to(arn, message)` sends a message to a queue; `seen` is called with
    every event.

    Schedules run `schedule_factor` times as often as the template has them.
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
        self._schedules: list[threading.Thread] = []

    def wire(self, stack: Stack) -> None:
        """Take the stack's permissions and start its schedules."""
        self._permissions = tuple(
            _Permission(
                resource.properties["FunctionName"].split(":")[-1],
                resource.properties["Principal"],
                resource.properties.get("SourceArn"),
            )
            for resource in stack.of_kind("AWS::Lambda::Permission")
        )
        for rule in stack.of_kind("AWS::Events::Rule"):
            expression = rule.properties.get("ScheduleExpression")
            if expression:
                schedule = threading.Thread(
                    target=self._run_schedule,
                    args=(rule.id, _rate_seconds(expression)),
                    name=f"schedule-{rule.name}",
                    daemon=True,
                )
                self._schedules.append(schedule)
                schedule.start()

    def close(self) -> None:
        self._closing.set()
        for schedule in self._schedules:
            schedule.join()

    def watch(self, watcher: Callable[[dict[str, Any]], None]) -> None:
        """Call `watcher` with every event, too."""
        self._watchers.append(watcher)

    def lose_next(self, matches: Callable[[dict[str, Any]], bool]) -> None:
        """Lose the next event that matches: delivery is best effort."""
        self._losing.append(matches)

    def emit(self, source: str, detail_type: str, resources: Iterable[str], detail: dict[str, Any]) -> None:
        """Publish an event of an AWS service."""
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
        """Deliver the event to every enabled rule that matches it. Returns before a function runs."""
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
        """Deliver the event to the targets of one rule."""
        for target in list(rule.targets):
            payload = target.get("Input") or json.dumps(event)
            try:
                self._deliver_to(rule.arn, target["Arn"], payload)
            except CannotDeliver as error:
                queue = target.get("DeadLetterConfig", {}).get("Arn")
                if not queue:
                    raise
                self._send_to(queue, {"error": str(error), "rule": rule.arn, "event": event})

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
        """Return whether the function's policy lets a service invoke it for a source."""
        return any(
            permission.function == function
            and permission.principal == principal
            and permission.source_arn in (None, source_arn)
            for permission in self._permissions
        )

    def _run_schedule(self, rule_name: str, seconds: float) -> None:
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
    """Return the seconds of rate(N UNIT). Raises CannotDeliver for cron."""
    count, _, unit = expression.removeprefix("rate(").removesuffix(")").partition(" ")
    if not expression.startswith("rate(") or not count.isdigit() or unit not in RATE_SECONDS:
        raise CannotDeliver(f"the sandbox does not support the schedule {expression}")
    return int(count) * RATE_SECONDS[unit]


def queue_name(arn: str) -> str:
    """Return the name of a queue of this account from its ARN. Raises CannotDeliver for another ARN."""
    name = arn.rpartition(":")[2]
    if arn != account_arn("sqs", name):
        raise CannotDeliver(f"{arn} is not a queue of this account")
    return name
