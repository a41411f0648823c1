"""The results of a demo: the table for people, summary.json for programs, and what failed.

summary.json has the counts of the whole load (lab/sandbox/traffic/records.py), and what 2.0.0 cost
(costs.py):

    {"requests": n, "lost": n, "errors_from_bad_release": n,
     "deployments": [{"label": "1.0.0", "outcome": "LIVE", "seconds": 9.1, "phases": {"staging": 3.9}}],
     "controller_ms": x, "overhead_seconds": x}
"""

from collections.abc import Sequence
from dataclasses import dataclass

from twinslot.domain.model import Phase

from lab.sandbox.demo.costs import Cost
from lab.sandbox.traffic.records import Traffic

PHASES = tuple(phase.value for phase in Phase if phase.has_step)


@dataclass(frozen=True)
class Ended:
    """One deployment of the demo: requested and announced at these times, in seconds since the epoch."""

    label: str
    kind: str
    outcome: str
    requested: float
    announced: float
    phases: dict[str, float]

    @property
    def seconds(self) -> float:
        return self.announced - self.requested


def as_json(deployments: Sequence[Ended], traffic: Traffic, cost: Cost | None) -> dict[str, object]:
    """Return the summary for programs. Without a `cost`, what follows from it is None."""
    return {
        "requests": len(traffic),
        "lost": traffic.lost,
        "errors_from_bad_release": traffic.errors_from_bad_release,
        "deployments": [
            {
                "label": ended.label,
                "outcome": ended.outcome,
                "seconds": round(ended.seconds, 3),
                "phases": {phase: round(spent, 3) for phase, spent in ended.phases.items()},
            }
            for ended in deployments
        ],
        "controller_ms": round(cost.controller_ms, 1) if cost else None,
        "overhead_seconds": round(cost.overhead_seconds, 3) if cost else None,
    }


def as_table(deployments: Sequence[Ended], traffic: Traffic) -> str:
    """Return the table. A row has the requests sent from its deployment's start until the next one's."""
    rows = [["release", "outcome", "seconds", *PHASES, "served", "lost", "own 5xx"]]
    begins = [ended.requested for ended in deployments] + [float("inf")]
    for ended, begin, end in zip(deployments, begins, begins[1:], strict=False):
        there = traffic.during(begin, end)
        spent = [f"{ended.phases[phase]:.1f}" if phase in ended.phases else "-" for phase in PHASES]
        served = sum(there.served_by().values())
        name = f"{ended.label} ({ended.kind})" if ended.kind == "rollback" else ended.label
        counts = (f"{served:,}", f"{there.lost:,}", f"{there.errors_from_bad_release:,}")
        rows.append([name, ended.outcome, f"{ended.seconds:.1f}", *spent, *counts])
    served = sum(traffic.served_by().values())
    total = (f"{served:,}", f"{traffic.lost:,}", f"{traffic.errors_from_bad_release:,}")
    rows.append(["all", "", "", *("" for _ in PHASES), *total])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Align words left and numbers right."""
    cells = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def failings(
    deployments: Sequence[Ended], expected: Sequence[tuple[str, str]], traffic: Traffic, unseen: str
) -> list[str]:
    """Return what is not as expected.

    `expected` are the deployments' labels and outcomes; the release `unseen` must not have answered a
    request.
    """
    found = []
    got = [(ended.label, ended.outcome) for ended in deployments]
    for wanted, actual in zip(expected, got, strict=False):
        if wanted != actual:
            found.append(f"expected {' '.join(wanted)}, got {' '.join(actual)}")
    if len(got) != len(expected):
        found.append(f"{len(got)} deployments instead of {len(expected)}")
    if not len(traffic):
        found.append("no request was sent")
    if traffic.lost:
        reasons = ", ".join(f"{count} times {reason}" for reason, count in traffic.reasons().items())
        found.append(f"{traffic.lost} requests lost: {reasons}")
    if seen := sum(1 for record in traffic.records if record.release == unseen):
        found.append(f"{unseen} never became healthy, but answered {seen} requests")
    return found
