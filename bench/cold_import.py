"""How long a handler takes to import, against a module that only imports boto3 and makes the same clients.

    python -m bench.cold_import        writes build/bench/cold_import.json

Each import is a process of its own with the variables that Lambda sets; the contestants take turns, so that
what else the machine does meets all of them, and the median of the rounds counts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
ROUNDS = 15
BASELINE = """
import boto3
session = boto3.Session()
for service in ("dynamodb", "ec2", "s3", "sns", "ssm"):
    session.client(service)
"""
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
    **dict.fromkeys(
        ("TABLE", "TOPIC", "DOCUMENT", "DOCUMENT_VERSION", "ROLLBACK_FUNCTION", "HOLD_FUNCTION"), "x"
    ),
}


def milliseconds(code: str, path: list[Path]) -> float:
    """How long this code takes in a fresh interpreter that finds modules on `path`."""
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
    """Measure, print and write the medians in milliseconds and each handler's ratio to the baseline."""
    contestants: dict[str, tuple[str, list[Path]]] = {"baseline": (BASELINE, [])} | {
        name: ("import app", [ROOT / "functions" / name, ROOT / "layers" / "twinslot"])
        for name in ("deploy", "advance", "rollback")
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (code, path) in contestants.items():
            taken[name].append(milliseconds(code, path))
    medians = {name: round(median(times), 1) for name, times in taken.items()}
    ratios = {
        name: round(taken / medians["baseline"], 2) for name, taken in medians.items() if name != "baseline"
    }
    for name, middle in medians.items():
        print(
            f"{name:10}{middle:8.1f} ms" + (f"  {ratios[name]:.2f} x the baseline" if name in ratios else "")
        )
    result = ROOT / "build" / "bench" / "cold_import.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(
        json.dumps({"rounds": ROUNDS, "milliseconds": medians, "ratios": ratios}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
