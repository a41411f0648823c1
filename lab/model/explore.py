"""Every run with at most so many faults and moves: a state is visited once, by its shape.

The search goes by the number of moves, so that the way told of a violation is the shortest. A state that is
reached again with fewer faults is gone on from again: more may follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.model.actions import Action, Bounds, actions, make, words
from lab.model.aggregate import application
from lab.model.canonical import Shape, forget, shape
from lab.model.controllers import Controllers
from lab.model.invariants import ALWAYS, AT_THE_END
from lab.model.scenario import quiesce
from lab.model.state import State

ENOUGH_TICKS = 60
"""By then everything has ended, however it stood."""


@dataclass
class Violation:
    """A promise that did not hold, why, and the moves that led there in words."""

    promise: str
    why: str
    trace: list[str]


@dataclass
class Report:
    """What a search saw: all that lies at most `depth` moves away; `complete` when nothing lies further."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    ends: int = 0
    complete: bool = False
    violations: list[Violation] = field(default_factory=list)


Trace = tuple["Trace", Action] | tuple[()]
"""The moves that led to a state, the last one outermost."""


class Search:
    """One search from one world."""

    def __init__(self, start: State, bounds: Bounds, controllers: Controllers) -> None:
        self.start = forget(start)
        self.bounds = bounds
        self.controllers = controllers
        self.report = Report()
        self.ended: tuple[set[Shape], set[Shape]] = (set(), set())

    def run(self, faults: int, depth: int | None = None, most_violations: int = 1) -> Report:
        """Visit all that so many faults and moves lead to (no `depth`: to the end); or so many violations."""
        report = self.report
        reached: dict[Shape, int] = {shape(self.start): 0}
        frontier: list[tuple[State, int, Trace]] = [(self.start, 0, ())]
        while frontier and report.depth != depth:
            following: list[tuple[State, int, Trace]] = []
            for state, borne, way in frontier:
                for move in actions(state, self.bounds):
                    bears = borne + move.fault
                    if bears > faults:
                        continue
                    report.transitions += 1
                    after = forget(make(state, move, self.controllers))
                    onward: Trace = (way, move)
                    violated = self.is_violated(state, after, onward)
                    key = shape(after)
                    known = reached.get(key)
                    if not violated and known is None:
                        violated = self.check_end(after, onward)
                    if violated:
                        if len(report.violations) >= most_violations:
                            report.states = len(reached)
                            return report
                    elif known is None or bears < known:
                        reached[key] = bears
                        following.append((after, bears, onward))
            frontier = following
            report.depth += bool(frontier)
        report.states, report.complete = len(reached), not frontier
        return report

    def is_violated(self, before: State, after: State, way: Trace) -> bool:
        broken = broken_promise(before, after)
        if broken:
            self.tell(*broken, way)
        return bool(broken)

    def check_end(self, state: State, way: Trace) -> bool:
        """Let all that runs die, and bring a state to its end: with hosts that are silent, then with hosts
        that do well."""
        return any(self._check_end(state, way, silent) for silent in (True, False))

    def _check_end(self, state: State, way: Trace, silent: bool) -> bool:
        ended = self.ended[silent]
        for _ in state.running:
            way = (way, Action("die", 0))
        state = forget(state._replace(running=()))
        passed: set[Shape] = set()
        ticks = 0
        while True:
            if not state.running:
                key = shape(state)
                if key in ended:
                    ended |= passed
                    return False
                # A state that comes again would come for ever.
                if key in passed or ticks == ENOUGH_TICKS or not application(state).busy:
                    break
                passed.add(key)
            move = quiesce(state, silent)
            ticks += move.kind == "wait"
            after = forget(make(state, move, self.controllers))
            way = (way, move)
            if self.is_violated(state, after, way):
                return True
            state = after
        self.report.ends += 1
        broken = broken_end(state)
        if broken:
            self.tell(*broken, way)
        else:
            ended |= {*passed, shape(state)}
        return bool(broken)

    def tell(self, promise: str, why: str, way: Trace) -> None:
        self.report.violations.append(Violation(promise, why, in_words(self.start, way, self.controllers)))


def broken_promise(before: State, after: State) -> tuple[str, str] | None:
    """The first promise that a move breaks, and how."""
    for promise in ALWAYS:
        why = promise(before, after)
        if why:
            return promise.__name__, why
    return None


def broken_end(state: State) -> tuple[str, str] | None:
    """The first promise that a run's end breaks, and how."""
    for promise in AT_THE_END:
        why = promise(state)
        if why:
            return promise.__name__, why
    return None


def in_words(state: State, way: Trace, controllers: Controllers) -> list[str]:
    """The moves of a way, each in the world in which it was made."""
    path: list[Action] = []
    while way:
        way, move = way
        path.append(move)
    told = []
    for move in reversed(path):
        told.append(words(state, move))
        state = forget(make(state, move, controllers))
    return told
