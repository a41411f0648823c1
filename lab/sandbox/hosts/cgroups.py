"""A control group for each machine, separate from all other processes.

systemd in a machine uses the group that it starts in as the root of all groups. If that were the caller's
group, two machines would see and empty each other's services. The group also contains every process of a
machine, so that none is left behind. Works with cgroup v1, v2 and both.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# A new cpuset group has no CPUs, and a process cannot enter such a group.
_UNUSABLE = frozenset({"cpuset"})


def _hierarchies() -> list[Path]:
    """Return the mount points of the hierarchies: one with cgroup v2 only, else one per controller."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = {
        Path(fields[4])
        for fields in mounts
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2") and Path(fields[4]).is_relative_to(_ROOT)
    }
    return sorted(path for path in found if path.name not in _UNUSABLE)


def create(name: str) -> list[Path]:
    """Create a group of this name; return its directory in each hierarchy."""
    directories = [hierarchy / name for hierarchy in _hierarchies()]
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
    return directories


def entering(directories: list[Path], argv: list[str]) -> list[str]:
    """Return the command that enters these groups and then becomes `argv`."""
    enter = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 1; shift; done; shift'
    script = f'{enter}; unset PWD; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *map(str, directories), "--", *argv]


def _below(name: str) -> list[Path]:
    """Return all groups of this name and those in them, the innermost first."""
    groups = []
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / name, topdown=False):
            groups.append(Path(directory))
    return groups


def _processes(name: str) -> set[int]:
    found: set[int] = set()
    for group in _below(name):
        # The group may be removed, with its last process, while it is read.
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
    return found


def remove(name: str, timeout_seconds: float = 10.0) -> None:
    """Kill every process in the group and remove it; nothing to do when there is none.

    Raises TimeoutError when processes survive SIGKILL for so long.
    """
    deadline = time.monotonic() + timeout_seconds
    while processes := _processes(name):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of the group {name} do not die: {sorted(processes)}")
        time.sleep(0.01)
    while groups := _below(name):
        for group in groups:
            # It stays busy for a moment after its last process has ended.
            with contextlib.suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the group {name} cannot be removed")
        time.sleep(0.01)
