"""A command under way: it waits for its turn, gives way to a newer one and keeps the time."""

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
HEED_SECONDS = 0.4  # how often a verb that runs looks for a higher fence


def step(name: str) -> None:
    """Notes in the journal that something lasting was done; between two of these a verb may be cut."""
    syslog.syslog(syslog.LOG_INFO, name)


class Command:
    """A command under way: what was asked, where things lie, and how long each part of it took."""

    def __init__(self, request: Request, paths: Paths) -> None:
        self.request = request
        self.paths = paths
        self.seconds: dict[str, float] = {}
        self.sha256: str | None = request.release.sha256 if request.release else None
        self.heeded = 0.0

    @property
    def release(self) -> Release:
        """The release of a stage, flip or bake: read_request made sure that there is one."""
        assert self.request.release
        return self.request.release

    def heed(self) -> None:
        """Gives way to a command with a higher fence."""
        if self.request.fence and time.monotonic() - self.heeded > HEED_SECONDS:
            self.heeded = time.monotonic()
            seen = seen_fence(self.paths)
            if seen > self.request.fence:
                raise NotExecuted(
                    f"{self.request.verb} gave way to a newer command: fence {seen} over {self.request.fence}"
                )

    def pause(self, seconds: float) -> None:
        """Sleeps, never deaf for long."""
        self.heed()
        time.sleep(seconds)

    def steadily(self, act: Callable[[], T]) -> T:
        """What `act` returns, tried again while AWS is unsteady. Trouble: it stays so."""
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
        """Adds what happens inside to the report's seconds."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)

    @contextlib.contextmanager
    def turn(self, wait: float = LOCK_SECONDS) -> Iterator[None]:
        """Waits for the one work lock of the app and holds it. NotDone: not within `wait` seconds."""
        os.makedirs(self.paths.run, mode=0o755, exist_ok=True)
        with self.holding(self.paths.run + "/work.lock", wait):
            yield

    @contextlib.contextmanager
    def holding(self, lock: str, wait: float = LOCK_SECONDS) -> Iterator[None]:
        """Waits for a lock and holds it. NotDone: not within `wait` seconds."""
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
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
