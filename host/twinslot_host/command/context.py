"""A command that runs: its lock, its fence, its retries and the time that its parts take."""

from __future__ import annotations

import contextlib
import fcntl
import os
import syslog
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from twinslot_host.command.fence import seen_fence
from twinslot_host.command.request import Release, Request
from twinslot_host.system.errors import NotExecuted, StepFailed, Transient
from twinslot_host.system.paths import Paths

T = TypeVar("T")

LOCK_SECONDS = 300.0
RETRY_SECONDS = (0.2, 1.0, 3.0)
FENCE_SECONDS = 0.4  # how often a verb that runs checks for a higher fence


def log_step(name: str) -> None:
    """Write a lasting change to the journal. A verb can be killed between any two of these."""
    syslog.syslog(syslog.LOG_INFO, name)


class Command:
    """A command that runs: its request, the paths of its app, and the seconds that each part of it took."""

    def __init__(self, request: Request, paths: Paths) -> None:
        self.request = request
        self.paths = paths
        self.seconds: dict[str, float] = {}
        self.sha256: str | None = request.release.sha256 if request.release else None
        self.fence_checked = 0.0

    @property
    def release(self) -> Release:
        """Return the release of a stage, flip or bake, which read_request requires."""
        assert self.request.release
        return self.request.release

    def check_fence(self) -> None:
        """Raise NotExecuted when a command with a higher fence has arrived at this host."""
        if self.request.fence and time.monotonic() - self.fence_checked > FENCE_SECONDS:
            self.fence_checked = time.monotonic()
            seen = seen_fence(self.paths)
            if seen > self.request.fence:
                raise NotExecuted(
                    f"{self.request.verb} gave way to a newer command: fence {seen} over {self.request.fence}"
                )

    def pause(self, seconds: float) -> None:
        """Sleep, checking the fence first."""
        self.check_fence()
        time.sleep(seconds)

    def with_retries(self, act: Callable[[], T]) -> T:
        """Return what `act` returns, with a retry after each Transient.

        Raises StepFailed after the last one.
        """
        for wait in RETRY_SECONDS:
            with contextlib.suppress(Transient):
                return act()
            self.pause(wait)
        try:
            return act()
        except Transient as error:
            raise StepFailed(str(error)) from error

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the report's seconds."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)

    @contextlib.contextmanager
    def work_lock(self, wait: float = LOCK_SECONDS) -> Iterator[None]:
        """Hold the app's one work lock. Raises NotExecuted when it is not free within `wait` seconds."""
        os.makedirs(self.paths.run, mode=0o755, exist_ok=True)
        with self.lock(self.paths.run + "/work.lock", wait):
            yield

    @contextlib.contextmanager
    def lock(self, path: str, wait: float = LOCK_SECONDS) -> Iterator[None]:
        """Hold a lock file. Raises NotExecuted when it is not free within `wait` seconds."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + wait
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise NotExecuted(
                            f"another command still runs on this host after {wait:.0f} s"
                        ) from None
                    self.pause(0.05)
            yield
        finally:
            os.close(handle)
