"""Searches every run with a bounded number of faults and actions; a state is visited once, by its shape.

The search is breadth-first, so that the trace of a violation is the shortest. A state that is reached again
with fewer faults is expanded again: more can follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.model.search.actions import Action, Bounds, actions, apply, words
from lab.model.search.canonical import Shape, canonical, shape
from lab.model.search.invariants import ALWAYS, AT_THE_END
from lab.model.search.scenario import quiesce
from lab.model.system.aggregate import application
from lab.model.system.controllers import Controllers
from lab.model.system.state import State

ENOUGH_CHECKS = 60
"""Scheduled checks after which everything has ended, from any state."""


@dataclass
class Violation:
    """The name of an invariant, why it is violated, and the actions that lead there."""

    invariant: str
    why: str
    trace: list[str]


@dataclass
class Report:
    """The result of a search: all states within `depth` actions; `complete` when there are no others."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    ends: int = 0
    complete: bool = False
    violations: list[Violation] = field(default_factory=list)


Trace = tuple["Trace", Action] | tuple[()]
"""The actions that lead to a state, the last one outermost."""


class Search:
    """One search from one state."""

    def __init__(self, start: State, bounds: Bounds, controllers: Controllers) -> None:
        self.start = canonical(start)
        self.bounds = bounds
        self.controllers = controllers
        self.report = Report()
        self.ended: tuple[set[Shape], set[Shape]] = (set(), set())

    def run(self, faults: int, depth: int | None = None, most_violations: int = 1) -> Report:
        """Visit all states within so many faults and actions (without `depth`: all), until so many
        violations."""
        report = self.report
        reached: dict[Shape, int] = {shape(self.start): 0}
        frontier: list[tuple[State, int, Trace]] = [(self.start, 0, ())]
        while frontier and report.depth != depth:
            following: list[tuple[State, int, Trace]] = []
            for state, faults_before, trace in frontier:
                for action in actions(state, self.bounds):
                    faults_now = faults_before + action.fault
                    if faults_now > faults:
                        continue
                    report.transitions += 1
                    after = canonical(apply(state, action, self.controllers))
                    longer: Trace = (trace, action)
                    violated = self.is_violated(state, after, longer)
                    key = shape(after)
                    known = reached.get(key)
                    if not violated and known is None:
                        violated = self.check_end(after, longer)
                    if violated:
                        if len(report.violations) >= most_violations:
                            report.states = len(reached)
                            return report
                    elif known is None or faults_now < known:
                        reached[key] = faults_now
                        following.append((after, faults_now, longer))
            frontier = following
            report.depth += bool(frontier)
        report.states, report.complete = len(reached), not frontier
        return report

    def is_violated(self, before: State, after: State, trace: Trace) -> bool:
        violated = violated_invariant(before, after)
        if violated:
            self._report(*violated, trace)
        return bool(violated)

    def check_end(self, state: State, trace: Trace) -> bool:
        """Let all controllers die and bring the state to its end, with silent hosts and with hosts that
        succeed; return whether an invariant is violated."""
        return any(self._check_end(state, trace, silent) for silent in (True, False))

    def _check_end(self, state: State, trace: Trace, silent: bool) -> bool:
        ended = self.ended[silent]
        for _ in state.running:
            trace = (trace, Action("die", 0))
        state = canonical(state._replace(running=()))
        passed: set[Shape] = set()
        checks = 0
        while True:
            if not state.running:
                key = shape(state)
                if key in ended:
                    ended |= passed
                    return False
                # A state that is reached again will be reached for ever.
                if key in passed or checks == ENOUGH_CHECKS or not application(state).busy:
                    break
                passed.add(key)
            action = quiesce(state, silent)
            checks += action.kind == "wait"
            after = canonical(apply(state, action, self.controllers))
            trace = (trace, action)
            if self.is_violated(state, after, trace):
                return True
            state = after
        self.report.ends += 1
        violated = violated_end(state)
        if violated:
            self._report(*violated, trace)
        else:
            ended |= {*passed, shape(state)}
        return bool(violated)

    def _report(self, invariant: str, why: str, trace: Trace) -> None:
        self.report.violations.append(
            Violation(invariant, why, in_words(self.start, trace, self.controllers))
        )


def violated_invariant(before: State, after: State) -> tuple[str, str] | None:
    """Return the first invariant that an action violates, and how."""
    for invariant in ALWAYS:
        why = invariant(before, after)
        if why:
            return invariant.__name__, why
    return None


def violated_end(state: State) -> tuple[str, str] | None:
    """Return the first invariant that the end of a run violates, and how."""
    for invariant in AT_THE_END:
        why = invariant(state)
        if why:
            return invariant.__name__, why
    return None


def in_words(state: State, trace: Trace, controllers: Controllers) -> list[str]:
    """Return the actions of a trace, each described in the state in which it happened."""
    path: list[Action] = []
    while trace:
        trace, action = trace
        path.append(action)
    described = []
    for action in reversed(path):
        described.append(words(state, action))
        state = canonical(apply(state, action, controllers))
    return described
