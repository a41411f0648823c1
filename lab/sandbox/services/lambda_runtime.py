"""One execution environment of a Lambda function: a process under the real runtime client, and the Runtime
API that it polls (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).

An environment handles one invocation at a time. It is killed when the function's timeout has passed, and a
dead one is not used again.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lab.sandbox.api.server import Handler, Server

JSON = {"Content-Type": "application/json"}

INIT_SECONDS = 10
"""Lambda's limit for the init phase."""

RESPONSE_BYTES = 6 * 1024 * 1024
"""Lambda's limit for the response of a synchronous invocation, without its undocumented tolerance."""


@dataclass
class Job:
    """One request in an environment; `done` is set when it was answered or has failed.

    AWS's SDKs send `trace` with each call of the handler, in the header X-Amzn-Trace-Id.
    """

    request_id: str
    payload: bytes
    arn: str
    timeout: float
    done: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b""
    error: bool = False
    trace: str = field(default_factory=lambda: f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}")
    handed_out: float = 0.0
    answered: float = 0.0

    def finish(self, answer: bytes, error: bool) -> None:
        self.answered = time.monotonic()
        self.answer, self.error = answer, error
        self.done.set()

    def fail(self, kind: str, message: str) -> None:
        self.finish(json.dumps({"errorMessage": message, "errorType": kind}).encode(), error=True)


class _Handler(Handler):
    """The four calls of the Runtime API."""

    server: "Server[Environment]"

    def do_GET(self) -> None:
        if self.path != "/2018-06-01/runtime/invocation/next":
            self.reply(404)
            return
        job = self.server.owner.next_job()
        if job is None:
            self.close_connection = True
            return
        deadline = int((time.time() + job.timeout) * 1000)
        job.handed_out = time.monotonic()
        self.reply(
            200,
            job.payload,
            {
                **JSON,
                "Lambda-Runtime-Aws-Request-Id": job.request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": job.arn,
                "Lambda-Runtime-Trace-Id": f"{job.trace};Sampled=0",
            },
        )

    def do_POST(self) -> None:
        body = self.body()
        environment = self.server.owner
        match self.path.removeprefix("/2018-06-01/runtime/").split("/"):
            case ["invocation", request_id, "response"]:
                environment.answered(request_id, body, error=False)
            case ["invocation", request_id, "error"]:
                environment.answered(request_id, body, error=True)
            case ["init", "error"]:
                environment.failed_to_start(body)
            case _:
                self.reply(404)
                return
        self.reply(202, b'{"status":"OK"}', JSON)


class Environment:
    """A process of a function.

    `folder` has its code; `variables` is its environment without the API's address.
    """

    def __init__(self, handler: str, folder: Path, variables: Mapping[str, str], log: IO[bytes]) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._job: Job | None = None
        self._ready = threading.Event()
        self._init_error = b""
        self._server = Server("127.0.0.1", self, _Handler, "runtime-api")
        self._server.start()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            cwd=folder,
            env={**variables, "AWS_LAMBDA_RUNTIME_API": self._server.endpoint.removeprefix("http://")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def job(self) -> Job | None:
        """Return the current job, or the last one."""
        return self._job

    def kill(self) -> None:
        """Kill the process at once; `run` notices it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def run(self, job: Job) -> None:
        """Give the job to the process, and return when the job is done."""
        if not self._wait(self._ready, INIT_SECONDS):
            self._end_unstarted(job)
            return
        self._job = job
        self._jobs.put(job)
        if self._wait(job.done, job.timeout):
            return
        if self.alive:
            job.fail("Sandbox.Timedout", f"{job.request_id} Task timed out after {job.timeout:.2f} seconds")
            self.close()
        elif not job.done.wait(0.2):
            status = self._process.returncode
            job.fail("Runtime.ExitError", f"RequestId: {job.request_id} Error: Runtime exited: {status}")

    def close(self) -> None:
        """Kill the process and its children, and stop the server. Idempotent."""
        self._jobs.put(None)
        if self.alive:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._server.close()

    def next_job(self) -> Job | None:
        """Return the next job for the Runtime API, None when the environment closes."""
        self._ready.set()
        return self._jobs.get()

    def answered(self, request_id: str, body: bytes, error: bool) -> None:
        """Take the handler's result or error from the Runtime API."""
        job = self._job
        if job is None or job.request_id != request_id:
            return
        if len(body) > RESPONSE_BYTES:
            job.fail(
                "Function.ResponseSizeTooLarge", f"Response payload size exceeded maximum: {len(body)} bytes"
            )
        else:
            job.finish(body, error)

    def failed_to_start(self, body: bytes) -> None:
        """Take the error of the module's import from the Runtime API."""
        self._init_error = body

    def _end_unstarted(self, job: Job) -> None:
        was_alive = self.alive
        self.close()
        if self._init_error:
            job.finish(self._init_error, error=True)
        elif was_alive:
            job.fail(
                "Sandbox.Timedout",
                f"{job.request_id} the function did not start within {INIT_SECONDS} seconds",
            )
        else:
            job.fail(
                "Runtime.ExitError", f"RequestId: {job.request_id} Error: Runtime exited while it started"
            )

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        """Return whether the event was set in time; a dead process ends the wait."""
        deadline = time.monotonic() + seconds
        while not event.wait(0.05):
            if time.monotonic() > deadline or not self.alive:
                return event.is_set()
        return True
