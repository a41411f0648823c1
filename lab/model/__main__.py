"""`make model`: every interleaving to a given depth, then random walks beyond it.

Prints each search and, for each violated invariant, the shortest trace; writes build/model/summary.json.
Exits 0 when no invariant was violated.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

from lab.model.search.actions import Bounds
from lab.model.search.explore import Report, Search, Violation
from lab.model.search.random_walk import random_walk
from lab.model.search.scenario import settled
from lab.model.system.controllers import Controllers, quiet

SUMMARY = Path("build/model/summary.json")


class Plan(NamedTuple):
    """One search. `depth` is the number of actions; None: until no new state is found."""

    what: str
    hosts: int
    faults: int
    depth: int | None
    bounds: Bounds = Bounds()


ALONE = Bounds(controllers=1)
RENEWED = Bounds(uploads=("u1",), freezes=("h1", "g1"), replaced=("n1",), controllers=1)
PLANS = (
    Plan("one host, up to two controllers at once, any one fault", 1, 1, 40),
    Plan("one host, any order of events, no fault, to the end", 1, 0, None),
    Plan("one host, one controller at a time, any two faults", 1, 2, 28, ALONE),
    Plan("two hosts, one controller at a time, any one fault", 2, 1, 28, ALONE),
    Plan("two hosts, one of which is replaced, and a freeze, any one fault", 2, 1, 14, RENEWED),
)
WALKS = 300
ACTIONS = 300


def main(arguments: list[str]) -> int:
    """Run all searches and walks; return the exit code."""
    parser = argparse.ArgumentParser(prog="model", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first random walk")
    seed: int = parser.parse_args(arguments).seed
    # A search keeps all that it creates: the garbage collector would only cost time.
    gc.disable()
    reports = []
    violations: list[Violation] = []
    with quiet():
        print("two uploads and a rollback, each event lost, late or repeated, in any order:")
        for plan in PLANS:
            report = search(plan)
            reports.append(report)
            violations += report.violations
        began = time.monotonic()
        walks = random_walk(range(seed, seed + WALKS), ACTIONS)
        violations += walks.violations
        print(
            f"  random walks from seed {seed}, up to three hosts and three controllers at once, "
            f"any number of faults: {walks.walks} walks, {walks.actions:,} actions, "
            f"{len(walks.violations)} violations, {time.monotonic() - began:.0f} s"
        )
    for violation in violations:
        print(f"\n{violation.invariant} is violated: {violation.why}")
        for number, step in enumerate(violation.trace, 1):
            print(f"  {number:3}. {step}")
    summary = {
        "states": sum(report.states for report in reports),
        "depth": reports[0].depth,
        "violations": len(violations),
    }
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(summary) + "\n")
    print("  ".join(f"{name} {value:,}" for name, value in summary.items()))
    return 1 if violations else 0


def search(plan: Plan) -> Report:
    """Run one search and print its result."""
    began = time.monotonic()
    controllers = Controllers()
    report = Search(settled(plan.hosts, controllers), plan.bounds, controllers).run(plan.faults, plan.depth)
    reach = "complete, depth" if report.complete else "exhaustive to depth"
    print(
        f"  {plan.what}: {report.states:,} states, {reach} {report.depth}, "
        f"{len(report.violations)} violations, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
