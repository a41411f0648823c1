"""Removes what a run creates outside of its process: machines, mounts, a bridge, directories.

Each run has a directory and a keeper: a process that waits until the run closes the pipe between them, and
then removes everything. The kernel closes the pipe however the run ends, so that a normal end, Ctrl-C,
SIGTERM and SIGKILL are handled alike. What a killed keeper leaves is removed by the next run, which finds the
directory of a dead owner.

Everything is found by the run's name, without a list that could be out of date: the control group, the
bridge, and the mounts below the directory.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lab.project import ROOT
from lab.sandbox.hosts import cgroups, network

_OWNER = "owner"
# A killed systemd-nspawn leaves an empty directory and a lock for each machine here.
_NSPAWN = Path("/run/systemd/nspawn")
_FAILURES = (OSError, RuntimeError, subprocess.CalledProcessError)
_runs_of_this_process = iter(range(1, 1 << 30))
_naming = threading.Lock()


def started(process: int) -> str | None:
    """Return when a process was started, in clock ticks since boot, or None when it has ended.

    Together with the pid it identifies a process.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, which the kernel releases when the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mounts_below(directory: Path) -> list[Path]:
    """Return the mount points at or below a directory, the innermost first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point == directory or directory in point.parents:
            points.append(point)
    return points[::-1]


def _locks(root: Path) -> list[Path]:
    """Return nspawn's locks for the root of a machine."""
    state = root.stat()
    return list(_NSPAWN.glob(f"locks/inode-{state.st_dev}:{state.st_ino}"))


def remove(directory: Path) -> None:
    """Remove all that the run of this directory created. Idempotent."""
    if not directory.exists():
        return
    name = directory.name
    mounts = mounts_below(directory)
    of_nspawn = [*_NSPAWN.glob(f"propagate/{name}-*"), *(path for point in mounts for path in _locks(point))]
    cgroups.remove(name)
    for path in of_nspawn:
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    for point in mounts:
        subprocess.run(["umount", str(point)], check=True)
    network.remove(name)
    if mounts_below(directory):
        raise RuntimeError(f"still mounted, so not removed: {directory}")
    shutil.rmtree(directory)


def sweep(runs: Path) -> None:
    """Remove what dead runs have left; print what cannot be removed, which does not stop a new run.

    Hold the lock.
    """
    for directory in runs.iterdir() if runs.exists() else ():
        if not directory.is_dir():
            continue
        owner = directory / _OWNER
        process, _, birth = owner.read_text().partition(" ") if owner.exists() else ("0", "", "")
        if birth and started(int(process)) == birth:
            continue
        try:
            remove(directory)
        except _FAILURES as error:
            print(f"a dead run left {directory}, which cannot be removed: {error}", file=sys.stderr)


class Run:
    """A run's directory and name, created with a keeper and removed by it.

    The name is unique on this machine, and short enough to be the prefix of a network link's name (11 of 15).
    """

    def __init__(self, runs: Path) -> None:
        with _naming:
            self.name = f"ts{os.getpid()}x{next(_runs_of_this_process)}"
        self.directory = runs / self.name
        self._runs = runs
        with self.lock():
            sweep(runs)
            self.directory.mkdir(parents=True)
            (self.directory / _OWNER).write_text(f"{os.getpid()} {started(os.getpid())}")
        # In its own session: Ctrl-C in a terminal must not end the keeper.
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "lab.sandbox.hosts.cleanup", str(self.directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the lock for what only one run at a time may do: sweep."""
        return lock(self._runs / "lock")

    def end(self) -> None:
        """Remove everything. Raises RuntimeError when the keeper could not, which has printed the reason."""
        assert self._keeper.stdin
        self._keeper.stdin.close()
        if self._keeper.wait():
            raise RuntimeError(f"not all of {self.directory} could be removed; the next run tries again")


def _keep(directory: Path) -> None:
    sys.stdin.read()
    deadline = time.monotonic() + 10.0
    while True:
        try:
            with lock(directory.parent / "lock"):
                return remove(directory)
        except _FAILURES:
            # A thread of the run may have been creating something; it has ended, or is about to.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
