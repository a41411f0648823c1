"""Measures what twinslot costs: its calls, counted in the sandbox, at AWS's public prices.

    python -m lab.bench.cost                prints the tables of docs/cost.md and writes build/bench/cost.json

One deployment to one host, one scheduled check and one inspection, separately, with the schedule off. The
agent's polls are free and not counted.
"""

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twinslot.aws.hosts import IN_PROGRESS

from lab.project import ROOT
from lab.samples.build import build
from lab.sandbox.account import Pace
from lab.sandbox.api.gateway import Answer
from lab.sandbox.api.requests import ApiRequest
from lab.sandbox.hosts.machine import STATE
from lab.sandbox.sandbox import Sandbox, unavailable
from lab.sandbox.stack.template import translate

RESULTS = ROOT / "build" / "bench"
EVENTS = ROOT / "events"
SETTINGS = {"start_seconds": 20, "bake_seconds": 2}
"""The counts do not depend on them: a bake is one command of any length."""

MEMORY_GB = 1.0
MINUTES_A_MONTH = 60 * 730
QUARTERS_A_MONTH = 4 * 730
LAMBDA_LOG_BYTES = 500
"""An assumption about Lambda's own lines of an invocation: START, END, and REPORT with the trace."""

QUIET_SECONDS = 2.0
DEADLINE_SECONDS = 90

PRICES = {
    "Lambda request": 0.20e-6,
    "Lambda GB-second (arm64)": 0.0000133334,
    "DynamoDB write unit": 0.625e-6,
    "DynamoDB read unit": 0.125e-6,
    "S3 PUT": 0.005e-3,
    "S3 GET": 0.0004e-3,
    "SNS publish": 0.50e-6,
    "KMS request": 0.03e-4,
    "EventBridge event of S3's": 1.00e-6,
    "X-Ray trace": 5.00e-6,
    "CloudWatch metric and hour": 0.30 / 730,
    "CloudWatch Logs GB": 0.50,
}
"""US dollars, US East (N. Virginia), without the free tier; sources in docs/cost.md."""

FREE = {"ec2", "ssm"}
"""Services whose calls are free: Run Command, describing, standard parameters."""


@dataclass
class Spent:
    """What one piece of work used.

    `calls` are by (caller, service, operation); `milliseconds` by function.
    """

    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    write_units: int = 0
    read_units: int = 0
    log_bytes: int = 0
    metrics: int = 0

    def count(self, request: ApiRequest, answer: Answer) -> None:
        """Count a call. DynamoDB's units are computed from the JSON, which is longer than what is billed."""
        caller = _caller(request)
        if not caller:
            return
        self.calls[caller, request.service, request.operation] += 1
        if request.service != "dynamodb":
            return
        if request.operation in ("GetItem", "Query"):
            self.read_units += max(1, math.ceil(len(answer[2]) / 4096))
        elif request.operation == "TransactWriteItems":
            # A transaction writes each item twice, and the index `busy` once more.
            items = request.json["TransactItems"]
            self.write_units += sum(2 * _kilobytes(item) for item in items) + 1
        else:
            self.write_units += _kilobytes(request.json) + 1

    def cents(self) -> dict[str, float]:
        """Return the cost in US cents by item."""
        invocations = [spent for each in self.milliseconds.values() for spent in each]
        seconds = sum(math.ceil(spent) for spent in invocations) / 1000
        of = self._of
        publishes = of("sns", "Publish")
        dollars = {
            "Lambda": len(invocations) * PRICES["Lambda request"]
            + seconds * MEMORY_GB * PRICES["Lambda GB-second (arm64)"],
            "DynamoDB": self.write_units * PRICES["DynamoDB write unit"]
            + self.read_units * PRICES["DynamoDB read unit"],
            "S3": of("s3", "PutObject") * (PRICES["S3 PUT"] + PRICES["EventBridge event of S3's"])
            + (of("s3", "GetObject") + of("s3", "HeadObject")) * PRICES["S3 GET"],
            "SNS and its key": publishes * (PRICES["SNS publish"] + PRICES["KMS request"]),
            "X-Ray": len(invocations) * PRICES["X-Ray trace"],
            "CloudWatch metrics": self.metrics * PRICES["CloudWatch metric and hour"],
            "CloudWatch Logs": self.log_bytes / 1e9 * PRICES["CloudWatch Logs GB"],
        }
        return {name: spent * 100 for name, spent in dollars.items()}

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": [[*call, count] for call, count in sorted(self.calls.items())],
            "milliseconds": {
                name: [round(ms, 1) for ms in spent] for name, spent in self.milliseconds.items()
            },
            "write_units": self.write_units,
            "read_units": self.read_units,
            "log_bytes": self.log_bytes,
            "metrics": self.metrics,
            "cents": self.cents(),
        }

    def _of(self, service: str, operation: str) -> int:
        return sum(count for (_, *call), count in self.calls.items() if tuple(call) == (service, operation))


@contextmanager
def counting(sandbox: Sandbox) -> Iterator[Spent]:
    """Count what functions and hosts do until the context ends and nothing runs any more."""
    spent = Spent()
    gateway = sandbox.aws.gateway
    before, invoked, logged = gateway.around, len(sandbox.invocations), _logs()

    def around(request: ApiRequest, answered: Callable[[ApiRequest], Answer]) -> Answer:
        answer = answered(request)
        spent.count(request, answer)
        return answer

    gateway.around = around
    try:
        yield spent
        _wait_until_quiet(sandbox)
    finally:
        gateway.around = before
    for invocation in sandbox.invocations[invoked:]:
        name = invocation.function.removeprefix("twinslot-")
        spent.milliseconds.setdefault(name, []).append(invocation.milliseconds)
    written = [line for path, text in _logs().items() for line in text[len(logged[path]) :].splitlines()]
    own = LAMBDA_LOG_BYTES * (len(sandbox.invocations) - invoked)
    spent.log_bytes = sum(map(len, written)) + own
    spent.metrics = len({metric for line in written if b'"_aws"' in line for metric in _metrics(line)})


def measure() -> dict[str, Spent]:
    """Measure a deployment, a scheduled check and an inspection on a host with a live and a warm release."""
    with Sandbox(pace=Pace(schedule_factor=1e-3)) as sandbox:
        sandbox.set("shop", SETTINGS)
        sandbox.add_host("shop")
        for label in ("1.0.0", "1.1.0"):
            _deploy(sandbox, label)
        _wait_until_quiet(sandbox)
        spent = {}
        with counting(sandbox) as spent["deployment"]:
            _deploy(sandbox, "1.2.0")
        for name, event in (("check", "schedule"), ("inspection", "report")):
            payload = json.loads((EVENTS / f"{event}.json").read_text())
            sandbox.invoke("SsmAndSchedule", payload)
            _wait_until_quiet(sandbox)
            with counting(sandbox) as spent[name]:
                sandbox.invoke("SsmAndSchedule", payload)
        return spent


def alarm_metrics() -> int:
    """Return how many metrics the alarms of a stack without Slack use; each is billed per month."""
    resources = translate(ROOT / "template.yaml", "us-east-1", {}).document["Resources"].values()
    alarms = [each for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]
    return sum(
        sum("MetricStat" in metric for metric in alarm["Properties"].get("Metrics", [])) or 1
        for alarm in alarms
        if "Condition" not in alarm
    )


def print_tables(name: str, spent: Spent) -> None:
    """Print the tables of one piece of work."""
    print(f"\n{name}\n\n| caller | service | operation | calls |\n| --- | --- | --- | --- |")
    for (caller, service, operation), count in sorted(spent.calls.items()):
        print(f"| {caller} | {service} | `{operation}` | {count} |")
    for function, milliseconds in spent.milliseconds.items():
        each_one = ", ".join(f"{each:.0f}" for each in milliseconds)
        print(f"{function}: {len(milliseconds)} invocations, {each_one} ms")
    print(f"{spent.write_units} write units, {spent.read_units} read units", end=", ")
    print(f"{spent.log_bytes:,} bytes of logs, {spent.metrics} metrics")
    print("| for | US cents |\n| --- | --- |")
    for item, cents in spent.cents().items():
        print(f"| {item} | {cents:.4f} |")
    print(f"| all | {sum(spent.cents().values()):.4f} |")


def main() -> int:
    """Measure, print and write. Return 1 when this machine cannot run it."""
    reason = unavailable()
    if reason:
        print(f"the costs cannot be measured here: {reason}")
        return 1
    spent = measure()
    for name, each in spent.items():
        print_tables(name, each)
    month = {
        "scheduled checks": sum(spent["check"].cents().values()) * MINUTES_A_MONTH / 100,
        "inspections of one app": sum(spent["inspection"].cents().values()) * QUARTERS_A_MONTH / 100,
        "metrics of alarms": alarm_metrics() * 0.10,
        "dashboard": 3.00,
    }
    print("\na month\n\n| for | US dollars |\n| --- | --- |")
    for item, dollars in month.items():
        print(f"| {item} | {dollars:.2f} |")
    results = {name: each.as_json() for name, each in spent.items()} | {"month": month}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "cost.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _caller(request: ApiRequest) -> str:
    """Return the calling function or host; "" for an operator's calls, except the upload."""
    role = request.principal.arn.partition("assumed-role/")[2] if request.principal else ""
    if not role:
        return "uploader" if (request.service, request.operation) == ("s3", "PutObject") else ""
    session = role.rpartition("/")[2]
    return "host" if session.startswith("i-") else session.removeprefix("twinslot-")


def _kilobytes(value: object) -> int:
    return math.ceil(len(json.dumps(value)) / 1024)


def _deploy(sandbox: Sandbox, label: str) -> None:
    jar = build(ROOT / "build" / "jars", label)
    version = sandbox.upload(jar, f"shop/{jar.name}")
    sandbox.wait_for(
        "shop", "LIVE", DEADLINE_SECONDS, lambda live: live.data["release"]["version"] == version
    )


def _wait_until_quiet(sandbox: Sandbox) -> None:
    """Wait until no function was invoked, and no command ran, for QUIET_SECONDS."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        if time.monotonic() > deadline:
            raise TimeoutError(f"functions still run after {DEADLINE_SECONDS} s")
        now = len(sandbox.invocations) + sum(
            command.status not in IN_PROGRESS for command in sandbox.run_command.commands()
        )
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.1)


def _logs() -> dict[Path, bytes]:
    """Return each function's log so far."""
    return {path: path.read_bytes() for path in (STATE / "logs").glob("*.log")}


def _metrics(line: bytes) -> Iterator[tuple[str, ...]]:
    """Yield the metrics of a line in the embedded metric format: names with their dimensions' values."""
    entry = json.loads(line)
    for described in entry["_aws"]["CloudWatchMetrics"]:
        for metric in described["Metrics"]:
            for names in described["Dimensions"]:
                yield metric["Name"], *(f"{name}={entry[name]}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
