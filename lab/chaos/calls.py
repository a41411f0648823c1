"""Intercepts calls to AWS, to let them fail or to kill their caller."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.sandbox.api.gateway import Answer
from lab.sandbox.api.requests import ApiRequest
from lab.sandbox.sandbox import Sandbox
from lab.sandbox.services.lambda_runtime import Environment

Answering = Callable[[ApiRequest], Answer]


@dataclass(frozen=True)
class Caller:
    """A function's invocation. `about` is its reason: `upload`, `schedule`, `rollback`, or the step of the
    command that ended."""

    function: str
    app: str | None
    about: str
    request_id: str
    environment: Environment


@dataclass(frozen=True)
class Call:
    """One call to AWS. `number` counts the calls of its invocation; `caller` is None for a host or a
    person."""

    request: ApiRequest
    caller: Caller | None
    number: int

    @property
    def name(self) -> str:
        return f"{self.request.service}:{self.request.operation}"

    def concerns(self, app: str) -> bool:
        """Return whether the call is about this application, judged by its caller or else by its content."""
        if self.caller and self.caller.app:
            return self.caller.app == app
        text = self.request.target.encode() + self.request.body
        return app.encode() in text


Interceptor = Callable[[Call, Answering], Answer]


class Calls:
    """All calls of a sandbox. Each passes the interceptors in the order in which these were added."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._interceptors: list[Interceptor] = []
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        sandbox.aws.gateway.around = self._around

    @contextlib.contextmanager
    def intercepted(self, interceptor: Interceptor) -> Iterator[None]:
        self._interceptors.append(interceptor)
        try:
            yield
        finally:
            self._interceptors.remove(interceptor)

    def _around(self, request: ApiRequest, answer: Answering) -> Answer:
        interceptors = tuple(self._interceptors)
        # Counted without an interceptor, too: one that is added during an invocation needs the right numbers.
        caller = self._caller(request)
        number = 0
        if caller:
            with self._lock:
                number = self._numbers[caller.request_id] = self._numbers.get(caller.request_id, 0) + 1
        call = Call(request, caller, number)
        for interceptor in interceptors:
            answer = _within(interceptor, call, answer)
        return answer(request)

    def _caller(self, request: ApiRequest) -> Caller | None:
        trace = request.headers.get("x-amzn-trace-id", "").partition(";")[0]
        doing = self._sandbox.aws.functions.doing(trace) if trace else None
        if doing is None:
            return None
        function, environment = doing
        job = environment.job
        assert job is not None
        app, about = _purpose(json.loads(job.payload))
        return Caller(function.spec.name, app, about, job.request_id, environment)


def _within(interceptor: Interceptor, call: Call, answer: Answering) -> Answering:
    return lambda _: interceptor(call, answer)


def _purpose(event: dict[str, object]) -> tuple[str | None, str]:
    """Return the application that an event is about (None: all), and the reason of the invocation."""
    detail = event.get("detail")
    if isinstance(detail, dict) and event.get("source") == "aws.s3":
        return detail["object"]["key"].partition("/")[0], "upload"
    if isinstance(detail, dict) and event.get("source") == "aws.ssm":
        parameters = detail.get("parameters", {})
        return parameters.get("app", [None])[0], parameters.get("step", ["?"])[0]
    if event.get("source") == "aws.events":
        return None, "schedule"
    app = event.get("app")
    return (app, "rollback") if isinstance(app, str) else (None, "?")
