"""A control group for each machine, apart from everything else that runs here.

systemd in a machine takes the group that it starts in for the root of all groups. Were that the group of
whoever started it, two machines would see, and empty, each other's services. The own group also names
every process of a machine, so that none is left behind. Works with cgroup v1, v2 and both at once.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# Its groups are born without CPUs, and a process cannot enter such a group.
_UNUSABLE = frozenset({"cpuset"})


def _hierarchies() -> list[Path]:
    """Where the hierarchies are mounted: one with cgroup v2 alone, else one for each controller."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = {
        Path(fields[4])
        for fields in mounts
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2") and Path(fields[4]).is_relative_to(_ROOT)
    }
    return sorted(path for path in found if path.name not in _UNUSABLE)


def create(name: str) -> list[Path]:
    """The directories of a new group of this name, one in each hierarchy."""
    directories = [hierarchy / name for hierarchy in _hierarchies()]
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
    return directories


def entering(directories: list[Path], argv: list[str]) -> list[str]:
    """The command that enters these groups and then becomes `argv`."""
    enter = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 1; shift; done; shift'
    script = f'{enter}; unset PWD; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *map(str, directories), "--", *argv]


def _below(name: str) -> list[Path]:
    """All groups of this name and those in them, the innermost first."""
    groups = []
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / name, topdown=False):
            groups.append(Path(directory))
    return groups


def _processes(name: str) -> set[int]:
    found: set[int] = set()
    for group in _below(name):
        # The group may go, with its last process, while it is read.
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
    return found


def remove(name: str, timeout_seconds: float = 10.0) -> None:
    """Kills every process in the group and removes it; nothing to do when there is none.

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
            # Busy for a moment after its last process went; new ones cannot come.
            with contextlib.suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the group {name} cannot be removed")
        time.sleep(0.01)
