"""`make chaos`: every fault on real hosts under load, a row each. Exits 0 when all of them passed."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from lab.chaos import runner
from lab.chaos.fault import Group
from lab.chaos.faults import GROUPS
from lab.chaos.judgement import Row
from lab.sandbox.sandbox import Sandbox, unavailable

INTERRUPTED = 130
"""The exit code that shells give to what SIGINT ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the faults that the command line names, all if it names none; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.chaos", description="Inject faults into real hosts under load."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a fault's name or its prefix (default: all)"
    )
    parser.add_argument("--hosts", type=int, default=5, help="how many hosts to use at once")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(fault.name for group in GROUPS for fault in group.faults or (group,)))
        return 0
    reason = unavailable()
    if reason:
        print(f"chaos cannot run here: {reason}")
        return 1
    names = tuple(arguments.names)
    groups = [group for group in GROUPS if not names or _concerns(group, names)]
    if not groups:
        print(f"no such fault: {' '.join(names)}; --list prints all names")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    rows: list[Row] = []
    interrupted = False
    try:
        with Sandbox() as sandbox:
            chaos = runner.Runner(
                sandbox, groups, arguments.hosts, lambda name: not names or name.startswith(names)
            )
            rows = chaos.rows
            chaos.run()
    except KeyboardInterrupt:
        interrupted = True
    runner.write(rows)
    passed = sum(row.passed for row in rows)
    ended = "interrupted: " if interrupted else ""
    seconds = time.monotonic() - began
    print(f"\n{ended}{passed} of {len(rows)} faults passed in {seconds:.0f} s; {runner.SUMMARY}")
    for row in rows:
        if not row.passed:
            print(f"failed: {row.name}: {runner.sanitize('; '.join(row.why))}")
    if interrupted:
        return INTERRUPTED
    return 0 if rows and passed == len(rows) else 1


def _concerns(group: Group, names: tuple[str, ...]) -> bool:
    """Return whether a group has a wanted fault, or may find one when it is expanded."""
    known = [fault.name for fault in group.faults] or [group.name]
    return any(each.startswith(name) or name.startswith(group.name) for each in known for name in names)


if __name__ == "__main__":
    sys.exit(main())
