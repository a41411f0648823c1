"""Runs the stack's functions as Lambda does: warm environments are reused, each handles one request at a
time; a failed asynchronous invocation is retried, and in the end sent to its on-failure destination."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.sandbox.services.lambda_runtime import Environment, Job
from lab.sandbox.stack.moto_backends import REGION

CONCURRENCY = 10
"""Environments of one function at a time, unless the template reserves fewer."""


@dataclass(frozen=True)
class Retry:
    """The settings of a function's EventInvokeConfig, with Lambda's defaults."""

    attempts: int = 2
    max_age_seconds: float = 21600
    on_failure: str | None = None


@dataclass(frozen=True)
class FunctionSpec:
    """One function of the template. `credentials` are its role's, as environment variables."""

    name: str
    arn: str
    handler: str
    folder: Path
    layers: tuple[Path, ...]
    timeout: float
    memory: int
    environment: Mapping[str, str]
    credentials: Mapping[str, str]
    log_group: str
    concurrency: int = CONCURRENCY
    retry: Retry = Retry()


@dataclass(frozen=True)
class Invocation:
    """An invocation that has ended.

    `milliseconds` are from the handing out of the request to its answer, which is what Lambda bills when
    warm. `at` is in seconds since the epoch.
    """

    function: str
    request_id: str
    at: float
    milliseconds: float
    cold: bool
    error: bool
    payload: bytes
    answer: bytes

    def json(self) -> object:
        return json.loads(self.answer) if self.answer else None


class Throttled(Exception):
    """All environments of the function are busy."""


class Function:
    """A function and its environments."""

    def __init__(self, spec: FunctionSpec, endpoint: str, logs: Path) -> None:
        self.spec = spec
        self._endpoint = endpoint
        self._log_path = logs / f"{spec.name}.log"
        self._log = self._log_path.open("ab", buffering=0)
        self._idle: list[Environment] = []
        self._environments: set[Environment] = set()
        self._lock = threading.Lock()
        self._closed = False

    def invoke(self, payload: bytes) -> Invocation:
        """Run the handler and return its answer or error. Raises Throttled."""
        environment, cold = self._take()
        job = Job(str(uuid.uuid4()), payload, self.spec.arn, self.spec.timeout)
        at = time.time()
        try:
            environment.run(job)
        finally:
            self._give_back(environment)
        milliseconds = (job.answered - job.handed_out) * 1000 if job.handed_out else 0.0
        return Invocation(
            self.spec.name, job.request_id, at, milliseconds, cold, job.error, payload, job.answer
        )

    def doing(self, trace: str) -> Environment | None:
        """Return the environment that handles the request with this trace id."""
        with self._lock:
            return next((each for each in self._environments if each.job and each.job.trace == trace), None)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            environments, self._environments = self._environments, set()
        for environment in environments:
            environment.close()
        self._log.close()

    def _take(self) -> tuple[Environment, bool]:
        with self._lock:
            if self._closed:
                raise Throttled(f"{self.spec.name}: the sandbox is closing")
            if self._idle:
                return self._idle.pop(), False
            if len(self._environments) >= self.spec.concurrency:
                raise Throttled(f"{self.spec.name}: {self.spec.concurrency} requests are running already")
            environment = Environment(self.spec.handler, self.spec.folder, self._variables(), self._log)
            self._environments.add(environment)
            return environment, True

    def _give_back(self, environment: Environment) -> None:
        with self._lock:
            if environment.alive and not self._closed:
                self._idle.append(environment)
                return
            self._environments.discard(environment)
        environment.close()

    def _variables(self) -> dict[str, str]:
        """Return the environment variables that Lambda sets, with the sandbox's endpoint."""
        spec = self.spec
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **spec.environment,
            **spec.credentials,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": datetime.now(UTC).strftime("%Y/%m/%d/[$LATEST]") + uuid.uuid4().hex,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": str(spec.folder),
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "_HANDLER": spec.handler,
            "PYTHONPATH": ":".join(str(layer) for layer in spec.layers),
        }


class Functions:
    """All functions of the sandbox. `retry_seconds` are the pauses before asynchronous retries (Lambda: 60,
    120).

    `send_to(arn, message)` delivers to a destination; `report` is called with every invocation that has
    ended.
    """

    def __init__(
        self,
        send_to: Callable[[str, dict[str, object]], None],
        report: Callable[[Invocation], None],
        retry_seconds: tuple[float, ...],
    ) -> None:
        self._send_to = send_to
        self._report = report
        self._retry_seconds = retry_seconds
        self._by_name: dict[str, Function] = {}
        self._closing = threading.Event()
        self._asynchronous = ThreadPoolExecutor(max_workers=32, thread_name_prefix="async-invoke")

    def add(self, function: Function) -> None:
        self._by_name[function.spec.name] = function

    def find(self, name_or_arn: str) -> Function | None:
        """Return the function with this name, ARN or partial ARN."""
        name = name_or_arn.split(":function:")[-1].split(":")[0]
        return self._by_name.get(name)

    def doing(self, trace: str) -> tuple[Function, Environment] | None:
        """Return the function and environment that make the calls with this trace id."""
        found = ((function, function.doing(trace)) for function in self._by_name.values())
        return next(((function, environment) for function, environment in found if environment), None)

    def invoke(self, function: Function, payload: bytes) -> Invocation:
        """Invoke synchronously and return the answer. Raises Throttled."""
        invocation = function.invoke(payload)
        self._report(invocation)
        return invocation

    def invoke_later(self, function: Function, payload: bytes) -> None:
        """Invoke asynchronously, with retries."""
        if not self._closing.is_set():
            self._asynchronous.submit(self._invoke_with_retries, function, payload)

    def close(self) -> None:
        self._closing.set()
        for function in self._by_name.values():
            function.close()
        self._asynchronous.shutdown(wait=True, cancel_futures=True)

    def _invoke_with_retries(self, function: Function, payload: bytes) -> None:
        retry, accepted = function.spec.retry, time.monotonic()
        failures = 0
        invocation: Invocation | None = None
        condition = "RetriesExhausted"
        while failures <= retry.attempts:
            if time.monotonic() - accepted > retry.max_age_seconds:
                condition = "EventAgeExceeded"
                break
            try:
                invocation = self.invoke(function, payload)
            except Throttled:
                # Lambda keeps a throttled event and does not count it as an attempt.
                if self._closing.wait(0.2):
                    return
                continue
            if not invocation.error:
                return
            failures += 1
            pause = self._retry_seconds[min(failures, len(self._retry_seconds)) - 1]
            if failures <= retry.attempts and self._closing.wait(pause):
                return
        if retry.on_failure and not self._closing.is_set():
            self._send_to(
                retry.on_failure, _failure_record(function, payload, invocation, failures, condition)
            )


def _failure_record(
    function: Function, payload: bytes, invocation: Invocation | None, failures: int, condition: str
) -> dict[str, object]:
    """Return what an on-failure destination gets
    (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)."""
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": invocation.request_id if invocation else str(uuid.uuid4()),
            "functionArn": f"{function.spec.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": failures,
        },
        "requestPayload": json.loads(payload),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": invocation.json() if invocation else None,
    }
