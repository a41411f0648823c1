"""Seeded random runs, far longer and worse than a search can go through: more uploads, hosts and controllers,
and as many faults as come up. Nothing is forgotten on the way, and the clock runs on as it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from lab.model.actions import Action, Bounds, actions, make, words
from lab.model.aggregate import application
from lab.model.controllers import Controllers
from lab.model.explore import ENOUGH_TICKS, Violation, broken_end, broken_promise
from lab.model.scenario import quiesce, settled

BOUNDS = Bounds(
    uploads=("u1", "u2", "x1", "u3", "u4", "u5", "x2", "u6"),
    rollbacks=("r1", "r2", "r3"),
    inspections=("i1", "i2", "i3"),
    freezes=("h1", "g1", "h2", "g2"),
    replaced=("n1", "n2"),
    controllers=3,
)
MAX_HOSTS = 3
WEIGHTS = {"call": 8, "host": 4, "begin": 3, "happen": 2, "wait": 1, "trouble": 1, "die": 1, "cool": 1}
"""How often a kind of move is made when it can be: controllers mostly go on, or nothing would happen."""


@dataclass
class Walks:
    """What random runs came to."""

    walks: int = 0
    actions: int = 0
    violations: list[Violation] = field(default_factory=list)


def random_walk(seeds: range, length: int) -> Walks:
    """A walk of `length` moves for each seed, each brought to its end."""
    told = Walks()
    for seed in seeds:
        violation = _walk(Random(seed), length, told)
        told.walks += 1
        if violation:
            violation.why += f" (seed {seed})"
            told.violations.append(violation)
    return told


def _walk(random: Random, length: int, told: Walks) -> Violation | None:
    controllers = Controllers()
    state = settled(random.randint(1, MAX_HOSTS), controllers)
    trace: list[str] = []
    for _ in range(length):
        kinds: dict[str, list[Action]] = {}
        for move in actions(state, BOUNDS):
            kinds.setdefault(move.kind, []).append(move)
        names = list(kinds)
        (kind,) = random.choices(names, [WEIGHTS[name] for name in names])
        move = random.choice(kinds[kind])
        trace.append(words(state, move))
        after = make(state, move, controllers)
        told.actions += 1
        broken = broken_promise(state, after)
        if broken:
            return Violation(*broken, trace)
        state = after
    silent, ticks = random.random() < 0.5, 0
    while state.running or (application(state).busy and ticks < ENOUGH_TICKS):
        move = quiesce(state, silent)
        ticks += move.kind == "wait"
        trace.append(words(state, move))
        after = make(state, move, controllers)
        broken = broken_promise(state, after)
        if broken:
            return Violation(*broken, trace)
        state = after
    broken = broken_end(state)
    return Violation(*broken, trace) if broken else None
