"""Functions run under the real Lambda runtime client, and fail as they do on Lambda."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.sandbox.services.lambda_functions import (
    Function,
    Functions,
    FunctionSpec,
    Invocation,
    Retry,
)

HANDLER = """
import os, time

STARTED = os.getpid()

def handler(event, context):
    match event.get("do"):
        case "raise": raise ValueError("no such thing")
        case "exit": os._exit(3)
        case "sleep": time.sleep(60)
        case "talk": return "x" * (7 * 1024 * 1024)
    left = context.get_remaining_time_in_millis()
    return {"pid": STARTED, "left": left, "name": context.function_name, "flavour": os.environ["FLAVOUR"]}
"""


class Stage:
    """One function, and what became of it: invocations, and messages to destinations."""

    def __init__(self, folder: Path, retry: Retry) -> None:
        self.invocations: list[Invocation] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.delivered = threading.Event()
        self.functions = Functions(self._send, self.invocations.append, retry_seconds=(0.01,))
        spec = FunctionSpec(
            name="try",
            arn="arn:aws:lambda:eu-central-1:123456789012:function:try",
            handler="app.handler",
            folder=folder,
            layers=(),
            timeout=1.0,
            memory=128,
            environment={"FLAVOUR": "vanilla"},
            credentials={},
            log_group="/aws/lambda/try",
            retry=retry,
        )
        self.function = Function(spec, "http://127.0.0.1:9", folder)
        self.functions.add(self.function)

    def _send(self, arn: str, message: dict[str, Any]) -> None:
        self.sent.append((arn, message))
        self.delivered.set()

    def invoke(self, **event: object) -> Invocation:
        return self.functions.invoke(self.function, json.dumps(event).encode())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "app.py").write_text(HANDLER)
    stage = Stage(tmp_path, Retry(attempts=2, on_failure="arn:aws:sqs:eu-central-1:123456789012:letters"))
    yield stage
    stage.functions.close()


def test_a_handler_answers_and_stays_warm(stage: Stage) -> None:
    first, second = stage.invoke(), stage.invoke()

    assert (first.cold, second.cold) == (True, False)
    answers = [first.json(), second.json()]
    assert answers[0]["pid"] == answers[1]["pid"]  # type: ignore[index]
    assert answers[0]["name"] == "try"  # type: ignore[index]
    assert answers[0]["flavour"] == "vanilla"  # type: ignore[index]
    assert 0 < answers[0]["left"] <= 1000  # type: ignore[index]


def test_an_error_is_told_and_leaves_the_environment_warm(stage: Stage) -> None:
    failed = stage.invoke(do="raise")

    assert failed.error
    assert failed.json()["errorType"] == "ValueError"  # type: ignore[index]
    assert not stage.invoke().cold


@pytest.mark.parametrize(
    ("do", "kind"),
    [("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout"), ("talk", "Function.Response")],
)
def test_what_lambda_would_not_take_is_an_error(stage: Stage, do: str, kind: str) -> None:
    failed = stage.invoke(do=do)

    assert failed.error
    assert failed.json()["errorType"].startswith(kind)  # type: ignore[index]
    assert not stage.invoke().error, "the next request gets an environment that works"


def test_a_module_that_cannot_be_imported_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import nothing_of_this_name\n")
    stage = Stage(tmp_path, Retry())
    try:
        failed = stage.invoke()
    finally:
        stage.functions.close()

    assert failed.error
    assert "nothing_of_this_name" in failed.json()["errorMessage"]  # type: ignore[index]


def test_an_asynchronous_failure_is_repeated_and_then_goes_to_its_destination(stage: Stage) -> None:
    stage.functions.invoke_later(stage.function, b'{"do": "raise"}')

    assert stage.delivered.wait(20)
    [(arn, letter)] = stage.sent
    assert arn.endswith(":letters")
    assert letter["requestContext"]["condition"] == "RetriesExhausted"
    assert letter["requestContext"]["approximateInvokeCount"] == 3
    assert letter["requestPayload"] == {"do": "raise"}
    assert len(stage.invocations) == 3


def test_closing_ends_every_process(stage: Stage) -> None:
    pid = stage.invoke().json()["pid"]  # type: ignore[index]

    stage.functions.close()

    assert not Path(f"/proc/{pid}").exists()
