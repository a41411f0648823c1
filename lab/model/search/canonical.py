"""Makes states with the same future equal, so that a search visits them once.

While no controller runs, the future does not depend on

-   times, except on which leases, deadlines and surveys are overdue: times are replaced by representative
    ones, and the clock by the number of inputs so far;
-   the aggregate's version, which no controller remembers;
-   commands of the deployment before the last and earlier ones, once every host has finished or would refuse
    them, and their entries in the hosts' ledgers. (Random walks keep all, so that their events come, too.)
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from twinslot.aws.codec import encode_fields
from twinslot.domain.lifecycle import LEASE_SECONDS, SURVEY_SECONDS
from twinslot.domain.model import (
    Act,
    Announce,
    AnnounceStart,
    Application,
    Deployment,
    Live,
    Outcome,
    PhaseEntry,
)

from lab.model.search.scenario import BEGIN, EPOCH
from lab.model.system.aggregate import STATE, application, application_of, deployment_of
from lab.model.system.host import Command, Host, finished
from lab.model.system.items import Key, item, number
from lab.model.system.state import State

LEFT_SECONDS = 300.0
"""Seconds until a deadline that has not passed: it is not over after a minute, but after ten."""

OUTCOMES = frozenset(Outcome)
"""Other announcements are dropped once they are published: nothing depends on them."""

Shape = tuple[Any, ...]


def canonical(state: State) -> State:
    """Return the state without what its future does not depend on."""
    if state.running:
        return state
    now = BEGIN + len(state.inputs)
    fence = application(state).fence
    commands = tuple(command for command in state.commands if not _is_over(command, state.hosts, fence))
    sent = {(f"COMMAND#{command.id}", "COMMAND") for command in commands}
    steps = frozenset(f"{command.deployment}/{command.step}" for command in commands)
    table: dict[Key, int] = {}
    for key, found in state.table.items():
        if key == STATE:
            table[key] = _state(found, state.now, now)
        elif key[1].startswith("DEPLOYMENT#"):
            table[key] = _record(found)
        elif key in sent:
            table[key] = _command(found)
    hosts = tuple(_host(host, steps) for host in state.hosts)
    outbox = application(state).outbox
    posted = {act.deployment.id for act in outbox if isinstance(act, Announce)}
    begun = {act.id for act in outbox if isinstance(act, AnnounceStart)}
    announced = frozenset(
        (id, outcome, message if id in posted or id in begun else 0)
        for id, outcome, message in state.announced
        if outcome in OUTCOMES or id in begun
    )
    return state._replace(now=now, table=table, hosts=hosts, commands=commands, announced=announced)


def shape(state: State) -> Shape:
    """Return what identifies a state; small, and equal for equal states."""
    return (
        state.now,
        _small(state.inputs),
        _small(tuple(sorted(state.table.items()))),
        _small(state.hosts),
        _small(state.commands),
        _small(state.announced),
        *sorted(id(process.node) for process in state.running),
    )


_numbers: dict[Any, int] = {}


def _small(part: Any) -> int:
    return _numbers.setdefault(part, len(_numbers))


def _is_over(command: Command, hosts: tuple[Host, ...], fence: int) -> bool:
    # A report is requested once, and its end may be delivered at any time.
    return (
        command.verb != "report"
        and command.fence < fence - 1
        and all(
            part.over or command.fence < host.fence or finished(host, command) is not None
            for part, host in zip(command.parts, hosts, strict=True)
        )
    )


@cache
def _host(host: Host, steps: frozenset[str]) -> Host:
    return host._replace(ledger=frozenset(entry for entry in host.ledger if entry[0] in steps))


@cache
def _state(state: int, then: float, now: float) -> int:
    found = application_of(state)
    cleared = replace(
        found,
        version=1,
        live=_live(found.live),
        previous=_live(found.previous),
        current=_deployment(found.current, then, now),
        waiting=_deployment(found.waiting, then, now),
        outbox=tuple(_act(act, then, now) for act in found.acts),
    )
    return _rewritten(state, cleared)


@cache
def _record(record: int) -> int:
    found = deployment_of(record)
    kept = Deployment(
        found.id, found.app, found.kind, found.order, found.release, found.by, outcome=found.outcome
    )
    return _rewritten(record, kept)


@cache
def _command(found: int) -> int:
    return number({**item(found), "expires": {"N": "0"}})


def _rewritten(found: int, value: Application | Deployment | None) -> int:
    kept = {**item(found), **encode_fields(value)}
    return number({**kept, "expires": {"N": "0"}} if "expires" in kept else kept)


def _live(live: Live | None) -> Live | None:
    return live and replace(live, since=EPOCH)


def _act(act: Act, then: float, now: float) -> Act:
    return replace(act, at=now - LEASE_SECONDS if then >= act.at + LEASE_SECONDS else now)


def _deployment(found: Deployment | None, then: float, now: float) -> Deployment | None:
    if found is None:
        return None
    timeline = tuple(PhaseEntry(entry.phase, EPOCH) for entry in found.timeline)
    step = found.step
    if step:
        step = replace(step, deadline=now - 1 if then > step.deadline else now + LEFT_SECONDS)
    elif found.timeline and then > found.timeline[-1].at + SURVEY_SECONDS:
        timeline = (*timeline[:-1], PhaseEntry(timeline[-1].phase, now - SURVEY_SECONDS - 1))
    before, earlier = _live(found.live_before), _live(found.previous_before)
    return replace(found, timeline=timeline, step=step, live_before=before, previous_before=earlier)
