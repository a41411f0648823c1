"""Makes worlds with the same future equal, so that a search visits them once.

While no controller runs, nothing that comes depends on

-   when things happened, but only on which leases, deadlines and surveys are overdue: times are set back to
    what says just that, and the clock to the number of inputs so far;
-   the version of the aggregate: nobody remembers one;
-   commands of the deployment before the last and earlier, once every host is done with them or would refuse
    them; and what hosts' ledgers say of these. (Random walks forget nothing: there even their events come.)
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

from lab.model.aggregate import STATE, application, application_of, deployment_of
from lab.model.host import Command, Host, finished
from lab.model.items import Key, item, number
from lab.model.scenario import BEGIN, EPOCH
from lab.model.state import State

LEFT_SECONDS = 300.0
"""What a deadline that has not passed is set to: a minute does not reach it, ten do."""

OUTCOMES = frozenset(Outcome)
"""What else is announced is forgotten once it is done: nothing follows from it."""

Shape = tuple[Any, ...]


def forget(state: State) -> State:
    """The same world without what nobody will ask for."""
    if state.running:
        return state
    now = BEGIN + len(state.inputs)
    fence = application(state).fence
    commands = tuple(command for command in state.commands if not _is_over(command, state.hosts, fence))
    sent = {(f"COMMAND#{command.id}", "COMMAND") for command in commands}
    steps = frozenset(f"{command.deployment}/{command.step}" for command in commands)
    table: dict[Key, int] = {}
    for key, held in state.table.items():
        if key == STATE:
            table[key] = _state(held, state.now, now)
        elif key[1].startswith("DEPLOYMENT#"):
            table[key] = _record(held)
        elif key in sent:
            table[key] = _command(held)
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
    """What a world is compared by: equal for equal worlds, and small."""
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
    # A report is asked for once, and its end may be told at any time.
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
    held = application_of(state)
    quiesce = replace(
        held,
        version=1,
        live=_live(held.live),
        previous=_live(held.previous),
        current=_deployment(held.current, then, now),
        waiting=_deployment(held.waiting, then, now),
        outbox=tuple(_act(act, then, now) for act in held.acts),
    )
    return _rewritten(state, quiesce)


@cache
def _record(record: int) -> int:
    held = deployment_of(record)
    kept = Deployment(held.id, held.app, held.kind, held.order, held.release, held.by, outcome=held.outcome)
    return _rewritten(record, kept)


@cache
def _command(held: int) -> int:
    return number({**item(held), "expires": {"N": "0"}})


def _rewritten(held: int, value: Application | Deployment | None) -> int:
    kept = {**item(held), **encode_fields(value)}
    return number({**kept, "expires": {"N": "0"}} if "expires" in kept else kept)


def _live(live: Live | None) -> Live | None:
    return live and replace(live, since=EPOCH)


def _act(act: Act, then: float, now: float) -> Act:
    return replace(act, at=now - LEASE_SECONDS if then >= act.at + LEASE_SECONDS else now)


def _deployment(held: Deployment | None, then: float, now: float) -> Deployment | None:
    if held is None:
        return None
    timeline = tuple(PhaseEntry(entry.phase, EPOCH) for entry in held.timeline)
    step = held.step
    if step:
        step = replace(step, deadline=now - 1 if then > step.deadline else now + LEFT_SECONDS)
    elif held.timeline and then > held.timeline[-1].at + SURVEY_SECONDS:
        timeline = (*timeline[:-1], PhaseEntry(timeline[-1].phase, now - SURVEY_SECONDS - 1))
    before, earlier = _live(held.live_before), _live(held.previous_before)
    return replace(held, timeline=timeline, step=step, live_before=before, previous_before=earlier)
