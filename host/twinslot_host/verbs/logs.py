"""The verb logs: what a slot's process last wrote."""

from __future__ import annotations

from twinslot_host.command.request import Request
from twinslot_host.nginx.control import idle_slot, live_slot
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.paths import Paths
from twinslot_host.system.subprocesses import check_run, run
from twinslot_host.verbs.report import sanitize

LOG_BYTES = 23_000  # GetCommandInvocation shows 24,000 of the output
LINE_CHARACTERS = 2_000


def logs(request: Request, host: str) -> str:
    """The last lines of the journal of the live slot or the idle one, the newest last, over all of its
    processes. Trouble: nothing is live, or no line is there."""
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
        raise StepFailed(f"the journal of {unit} is empty: that slot never ran, or its lines are too old")
    return newest(text.splitlines())


def newest(lines: list[str]) -> str:
    """As many of the last lines as fit into LOG_BYTES, each made printable."""
    kept: list[str] = []
    room = LOG_BYTES
    for line in reversed(lines):
        line = sanitize(line.replace("\t", "    "), LINE_CHARACTERS)
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(reversed(kept))
