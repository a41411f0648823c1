"""Seeded random runs, longer than a search can go: more uploads, hosts and controllers, any number of faults.

States are not made canonical, and the clock runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from lab.model.search.actions import Action, Bounds, actions, apply, words
from lab.model.search.explore import ENOUGH_CHECKS, Violation, violated_end, violated_invariant
from lab.model.search.scenario import quiesce, settled
from lab.model.system.aggregate import application
from lab.model.system.controllers import Controllers

BOUNDS = Bounds(
    uploads=("u1", "u2", "x1", "u3", "u4", "u5", "x2", "u6"),
    rollbacks=("r1", "r2", "r3"),
    inspections=("i1", "i2", "i3"),
    freezes=("h1", "g1", "h2", "g2"),
    replaced=("n1", "n2"),
    controllers=3,
)
MAX_HOSTS = 3
WEIGHTS = {
    "call": 8,
    "host": 4,
    "begin": 3,
    "happen": 2,
    "wait": 1,
    "failure": 1,
    "die": 1,
    "standby_ends": 1,
}
"""How often a possible kind of action is chosen: mostly a controller goes on, else little would happen."""


@dataclass
class Walks:
    """The result of random runs."""

    walks: int = 0
    actions: int = 0
    violations: list[Violation] = field(default_factory=list)


def random_walk(seeds: range, length: int) -> Walks:
    """Run `length` actions for each seed, and bring each run to its end."""
    walks = Walks()
    for seed in seeds:
        violation = _walk(Random(seed), length, walks)
        walks.walks += 1
        if violation:
            violation.why += f" (seed {seed})"
            walks.violations.append(violation)
    return walks


def _walk(random: Random, length: int, walks: Walks) -> Violation | None:
    controllers = Controllers()
    state = settled(random.randint(1, MAX_HOSTS), controllers)
    trace: list[str] = []
    for _ in range(length):
        kinds: dict[str, list[Action]] = {}
        for action in actions(state, BOUNDS):
            kinds.setdefault(action.kind, []).append(action)
        names = list(kinds)
        (kind,) = random.choices(names, [WEIGHTS[name] for name in names])
        action = random.choice(kinds[kind])
        trace.append(words(state, action))
        after = apply(state, action, controllers)
        walks.actions += 1
        violated = violated_invariant(state, after)
        if violated:
            return Violation(*violated, trace)
        state = after
    silent, checks = random.random() < 0.5, 0
    while state.running or (application(state).busy and checks < ENOUGH_CHECKS):
        action = quiesce(state, silent)
        checks += action.kind == "wait"
        trace.append(words(state, action))
        after = apply(state, action, controllers)
        violated = violated_invariant(state, after)
        if violated:
            return Violation(*violated, trace)
        state = after
    violated = violated_end(state)
    return Violation(*violated, trace) if violated else None
