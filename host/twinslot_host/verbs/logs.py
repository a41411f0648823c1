"""The verb logs: the last lines of a slot's journal."""

from __future__ import annotations

from twinslot_host.command.request import Request
from twinslot_host.nginx.control import idle_slot, live_slot
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.paths import Paths
from twinslot_host.system.sanitize import sanitize
from twinslot_host.system.subprocesses import check_run, run

LOG_BYTES = 23_000  # GetCommandInvocation returns 24,000 characters of the output
LINE_CHARACTERS = 2_000


def logs(request: Request, host: str) -> str:
    """Return the last lines of the journal of the live or the idle slot, of all its processes, the newest
    last.

    Raises StepFailed when nothing is live, or the journal is empty.
    """
    paths = Paths(request.app)
    slot = live_slot(paths) if request.slot == "live" else idle_slot(paths)
    if not slot:
        raise StepFailed(
            f"no release of {request.app} is live on {host or 'this host'}, so there are no logs yet"
        )
    unit = paths.unit(slot)
    run("journalctl", "--sync")
    text = check_run(
        "journalctl", "--quiet", "--no-pager", "--all", "--no-hostname", "--output=short-iso",
        f"--lines={request.lines}", f"--unit={unit}",
    )  # fmt: skip
    if not text.strip():
        raise StepFailed(
            f"the journal of {unit} is empty: the slot never ran, or its lines have been rotated away"
        )
    return newest(text.splitlines())


def newest(lines: list[str]) -> str:
    """Return as many of the last lines as fit into LOG_BYTES, each made printable."""
    kept: list[str] = []
    room = LOG_BYTES
    for line in reversed(lines):
        line = sanitize(line.replace("\t", "    "), LINE_CHARACTERS)
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(reversed(kept))
