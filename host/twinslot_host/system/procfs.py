"""Processes and sockets, read from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from twinslot_host.system.files import read_text

SPARED, EXPENDABLE = 0, 500  # oom_score_adj; a process that uses all memory scores 1,000


def started_at(pid: int) -> str:
    """Return the start of a process, in clock ticks since boot; with its id it is unique.

    Empty: it has ended.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def set_oom_score(pid: int, score: int) -> None:
    """Set whether the kernel prefers to kill a process when memory is short: SPARED or EXPENDABLE."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(score))


def boot_id() -> str:
    """Return the id of this boot of the host."""
    return (read_text("/proc/sys/kernel/random/boot_id") or "").strip()


def sockets(port: int, state: str) -> list[str]:
    """Return the inodes of the TCP sockets of a local port in a state ("0A" listens, "01" is connected)."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (read_text(table) or "").splitlines()[1:]:
            fields = line.split()
            if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                found.append(fields[9])
    return found


def owns(pid: int, inode: str) -> bool:
    """Return whether the process has this socket open."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                if os.readlink(f"{folder}/{name}") == f"socket:[{inode}]":
                    return True
    return False


def family(pid: int) -> Iterator[int]:
    """Yield the process and all its descendants."""
    yield pid
    for other in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = (read_text(f"/proc/{other}/stat") or "").rpartition(")")[2].split()
            if fields and fields[1] == str(pid):
                yield from family(int(other))


def owner(port: int) -> str | None:
    """Return which process listens on a port, as text for a message. None: none."""
    inodes = sockets(port, "0A")
    if not inodes:
        return None
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        if any(owns(pid, inode) for inode in inodes):
            return f"process {pid} ({(read_text(f'/proc/{pid}/comm') or '?').strip()})"
    return "a process that this host cannot see"
