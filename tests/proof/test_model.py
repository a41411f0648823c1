"""The short form of `make model`, and that it finds what is taken out of the product."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from twinslot.aws.store import Store
from twinslot.controller import Controller
from twinslot.domain.events import CommandEnded, Surveyed
from twinslot.domain.lifecycle import _Rules
from twinslot.domain.model import Application, Deployment, Kind, UploadOrder
from twinslot.domain.transition import Transition

from lab.model.__main__ import RENEWED
from lab.model.search.actions import Bounds
from lab.model.search.explore import Report, Search
from lab.model.search.random_walk import random_walk
from lab.model.search.scenario import settled
from lab.model.system import host
from lab.model.system.calls import Call
from lab.model.system.controllers import Controllers, quiet
from lab.model.system.fake_aws import DynamoDB
from lab.model.system.host import Command

ALONE = Bounds(controllers=1)


@pytest.fixture(autouse=True)
def nothing_is_logged() -> Iterator[None]:
    with quiet():
        yield


def search(faults: int, depth: int, hosts: int = 1, bounds: Bounds = ALONE) -> Report:
    controllers = Controllers()
    return Search(settled(hosts, controllers), bounds, controllers).run(faults, depth)


@pytest.mark.parametrize(
    ("faults", "depth", "hosts", "bounds", "states"),
    [
        (1, 12, 1, Bounds(), 2_000),
        (0, 20, 1, ALONE, 1_000),
        (1, 10, 2, ALONE, 500),
        (0, 11, 2, RENEWED, 1_000),
    ],
    ids=["two-controllers-at-once", "any-order", "two-hosts", "a-host-replaced-and-a-freeze"],
)
def test_every_invariant_holds_in_every_run(
    faults: int, depth: int, hosts: int, bounds: Bounds, states: int
) -> None:
    report = search(faults, depth, hosts, bounds)
    assert report.violations == []
    assert report.depth == depth
    assert report.states > states


def test_every_invariant_holds_in_random_runs_with_any_number_of_faults() -> None:
    walks = random_walk(range(10), 150)
    assert walks.violations == []
    assert walks.actions == 10 * 150


def test_the_same_search_visits_the_same_states() -> None:
    first, second = search(1, 7), search(1, 7)
    assert (first.states, first.transitions) == (second.states, second.transitions)


def test_without_the_fence_an_older_deployment_acts_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def let_everybody_in(host: host.Host, command: Command) -> bool:
        return False

    monkeypatch.setattr(host, "outranked", let_everybody_in)
    (violation,) = search(0, 25).violations
    assert violation.invariant == "one_deployment_acts"
    assert "carries out stage" in violation.trace[-1]


def test_without_removing_acts_nothing_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(transition: Transition, act: str) -> None:
        pass

    monkeypatch.setattr(Transition, "remove_act", keep)
    (violation,) = search(0, 10).violations
    assert violation.invariant == "everything_ends"
    assert violation.why.startswith("scheduled checks do not end it: the outbox holds")


def test_without_the_version_condition_an_accepted_upload_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    put_state = Store._put_state

    def unconditional(store: Store, *saved: Any) -> Any:
        put = dict(put_state(store, *saved)["Put"])
        return {"Put": {name: put[name] for name in ("TableName", "Item")}}

    monkeypatch.setattr(Store, "_put_state", unconditional)
    (violation,) = search(1, 12, bounds=Bounds()).violations
    assert violation.invariant == "nothing_accepted_is_lost"
    assert "saves STATE" in violation.trace[-1]


def believe_one_host(
    rules: _Rules, event: CommandEnded, decide: Callable[..., None] = _Rules.command_ended
) -> None:
    decide(rules, replace(event, results=tuple(result for result in event.results if result.ok)))


def keep_acts(transition: Transition, deployment: Deployment) -> None:
    pass


def know_nothing(controller: Controller, app: str, event: object) -> bool:
    return False


def come_after(order: UploadOrder, other: UploadOrder | None) -> bool:
    return True


@pytest.mark.parametrize(
    ("of", "name", "instead", "invariant"),
    [
        (_Rules, "command_ended", believe_one_host, "flips_wait_for_every_host"),
        (Transition, "drop_acts", keep_acts, "everything_ends"),
        (Controller, "_was_accepted", know_nothing, "one_input_is_one_deployment"),
        (UploadOrder, "is_after", come_after, "the_newest_begins"),
    ],
)
def test_a_rule_that_is_taken_out_is_missed(
    monkeypatch: pytest.MonkeyPatch, of: type, name: str, instead: Callable[..., object], invariant: str
) -> None:
    monkeypatch.setattr(of, name, instead)
    (violation,) = search(0, 20, hosts=2).violations
    assert violation.invariant == invariant


def hold_nothing_back(application: Application) -> bool:
    return False


def join_all(rules: _Rules, event: Surveyed, decide: Callable[..., None] = _Rules.surveyed) -> None:
    current = rules.application.current
    if current and current.kind is Kind.JOIN:
        rules.transition.change(current=replace(current, hosts=event.hosts))
    decide(rules, event)


@pytest.mark.parametrize(
    ("of", "name", "instead", "invariant"),
    [
        (Application, "kept_frozen", property(hold_nothing_back), "what_is_frozen_does_not_begin"),
        (_Rules, "surveyed", join_all, "a_join_is_for_newcomers_alone"),
    ],
)
def test_a_rule_of_freezes_and_joins_that_is_taken_out_is_missed(
    monkeypatch: pytest.MonkeyPatch, of: type, name: str, instead: object, invariant: str
) -> None:
    monkeypatch.setattr(of, name, instead)
    bounds = RENEWED._replace(uploads=("u1",) if of is Application else (), rollbacks=())
    (violation,) = search(0, 24, hosts=2, bounds=bounds).violations
    assert violation.invariant == invariant


def test_a_query_that_the_table_does_not_know_is_refused() -> None:
    class NoItems:
        fleet_size = 1
        replays = False

        def ask(self, call: Call) -> Any:
            return ()

    with pytest.raises(NotImplementedError):
        next(
            DynamoDB(NoItems())
            .get_paginator("query")
            .paginate(KeyConditionExpression="pk = :pk", ExpressionAttributeValues={})
        )
