"""Measures the import time of a handler, against a module that only imports boto3 and creates the same
clients.

    python -m lab.bench.cold_import        writes build/bench/cold_import.json

Each import is a new process with the variables that Lambda sets. The candidates take turns, so that the
machine's other load affects all of them, and the median of the rounds counts.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lab.project import ROOT

FUNCTIONS = ROOT / "functions"
LAYER = ROOT / "layers" / "twinslot"
ROUNDS = 15
TIMED = """
import time
began = time.perf_counter()
{code}
print((time.perf_counter() - began) * 1000)
"""
LAMBDA = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_LAMBDA_FUNCTION_NAME": "twinslot",
    "LAMBDA_TASK_ROOT": "/var/task",
    "POWERTOOLS_SERVICE_NAME": "twinslot",
    "POWERTOOLS_METRICS_NAMESPACE": "twinslot",
    "SLACK_PARAMETER": "/x",
    **dict.fromkeys(
        ("TABLE", "TOPIC", "DOCUMENT", "DOCUMENT_VERSION", "ROLLBACK_FUNCTION", "FREEZE_FUNCTION"), "x"
    ),
}


@dataclass(frozen=True)
class Handler:
    """The module that Lambda imports from a function's folder, and the services that it creates clients
    of."""

    module: str
    folder: Path
    services: tuple[str, ...] = ("dynamodb", "ec2", "s3", "sns", "ssm")

    def alone(self) -> str:
        """Return a module that only creates the same clients."""
        clients = "\n".join(f"session.client({service!r})" for service in self.services)
        return f"import boto3\nsession = boto3.Session()\n{clients}"


HANDLERS = {
    **{
        name: Handler("app", FUNCTIONS / name)
        for name in ("deploy", "ssm_and_schedule", "rollback", "freeze")
    },
    "widget": Handler("widget.app", FUNCTIONS, ("dynamodb",)),
    "slack": Handler("slack.app", FUNCTIONS, ("dynamodb", "ssm")),
}


def milliseconds(code: str, path: list[Path]) -> float:
    """Return how long this code takes in a new interpreter that finds modules on `path`."""
    environment = {**os.environ, **LAMBDA, "PYTHONPATH": os.pathsep.join(map(str, path))}
    ran = subprocess.run(
        [sys.executable, "-c", TIMED.format(code=code)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stdout.splitlines()[-1])


def main() -> None:
    """Measure, print and write the medians in milliseconds, and each handler's ratio to its clients alone."""
    baselines = {handler.alone(): list[float]() for handler in HANDLERS.values()}
    imports = {name: list[float]() for name in HANDLERS}
    for _ in range(ROUNDS):
        for code, times in baselines.items():
            times.append(milliseconds(code, []))
        for name, handler in HANDLERS.items():
            imports[name].append(milliseconds(f"import {handler.module}", [handler.folder, LAYER]))
    results = {}
    for name, handler in HANDLERS.items():
        taken, alone = median(imports[name]), median(baselines[handler.alone()])
        results[name] = {
            "ms": round(taken, 1),
            "clients_ms": round(alone, 1),
            "ratio": round(taken / alone, 2),
        }
        print(f"{name:10}{taken:8.1f} ms, {taken / alone:.2f} x its clients alone ({alone:.1f} ms)")
    result = ROOT / "build" / "bench" / "cold_import.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps({"rounds": ROUNDS, "handlers": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
