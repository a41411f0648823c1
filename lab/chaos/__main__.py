"""`make chaos`: every fault on real hosts under load, a row each; 0 when all of them were held."""

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
"""As shells have it for what SIGINT ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the faults that the command line names, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.chaos", description="Faults on real hosts under load."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a fault's name or its beginning; all if none"
    )
    parser.add_argument("--stations", type=int, default=5, help="hosts that are worked on at once")
    parser.add_argument("--list", action="store_true", help="only tell the names")
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
        print(f"there is no such fault: {' '.join(names)}; --list tells all")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    rows: list[Row] = []
    interrupted = False
    try:
        with Sandbox() as sandbox:
            chaos = runner.Runner(
                sandbox, groups, arguments.stations, lambda name: not names or name.startswith(names)
            )
            rows = chaos.rows
            chaos.run()
    except KeyboardInterrupt:
        interrupted = True
    runner.write(rows)
    passed = sum(row.passed for row in rows)
    told = "interrupted, nothing is left of it: " if interrupted else ""
    print(
        f"\n{told}{passed} of {len(rows)} faults held, in {time.monotonic() - began:.0f} s; {runner.SUMMARY}"
    )
    for row in rows:
        if not row.passed:
            print(f"not held: {row.name}: {runner.sanitize('; '.join(row.why))}")
    if interrupted:
        return INTERRUPTED
    return 0 if rows and passed == len(rows) else 1


def _concerns(group: Group, names: tuple[str, ...]) -> bool:
    """Whether a group has a fault that is wanted, or may find one."""
    known = [fault.name for fault in group.faults] or [group.name]
    return any(each.startswith(name) or name.startswith(group.name) for each in known for name in names)


if __name__ == "__main__":
    sys.exit(main())
