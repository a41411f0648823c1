"""The highest fence that this host has seen. A command with a lower one is refused."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from twinslot_host.system.errors import NotExecuted
from twinslot_host.system.files import read_text, write_file
from twinslot_host.system.paths import Paths


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock, which the kernel releases when the process ends, however it ends."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def seen_fence(paths: Paths) -> int:
    """Return the highest fence that this host has seen."""
    return int(read_text(paths.fence) or 0)


def raise_fence(paths: Paths, fence: int) -> None:
    """Record a command's fence before it waits for the work lock, so that the verb that runs sees it and
    ends.

    Raises NotExecuted when this host has seen a higher one.
    """
    with locked(paths.run + "/fence.lock"):
        seen = seen_fence(paths)
        if 0 < fence < seen:
            raise NotExecuted(
                f"fence {fence} is lower than {seen}, which this host has seen: a newer command replaced this"
            )
        if fence > seen:
            write_file(paths.fence, str(fence), 0o600)
