"""A handler takes a payload, passes it over, or refuses it by BadEvent; nothing unchecked goes on."""

import copy
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twinslot.errors import BadEvent
from twinslot.intake.upload import APP

from tests.controller.test_handlers import Function, load, payload
from tests.hostile import JSON, ODD, PIECES, TEXT, Cases

__all__ = ["load"]

Load = Callable[[str], Function]

FIELDS: tuple[tuple[str, ...], ...] = (
    ("source",),
    ("detail",),
    ("detail", "command-id"),
    ("detail", "parameters"),
    ("detail", "parameters", "verb"),
    ("detail", "parameters", "app"),
)
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")

same_function = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def judge(function: Function, event: Any) -> None:
    """What must hold of any payload of any handler."""
    handler, controller = function
    controller.calls.clear()
    refusal = ""
    try:
        handler(event)
    except BadEvent as error:
        refusal = str(error)
        assert controller.calls == []
    assert refusal.isprintable()
    assert len(refusal) < 1000
    for call in controller.calls:
        is_fit_for_the_controller(*call)


def is_fit_for_the_controller(call: str, *arguments: Any) -> None:
    """`rollback` and `freeze` pass on a name, a label and short printable texts; `ssm_and_schedule` passes on
    names and ids."""
    match call, arguments:
        case "rollback", (app, to, by, _):
            assert APP.fullmatch(app)
            assert to is None or (0 < len(to) <= 64 and set(to) <= SAFE)
            assert 0 < len(by) <= 64 and by.isprintable()
        case "freeze", (app, why, by):
            assert APP.fullmatch(app)
            assert 0 < len(why) <= 200 and why.isprintable()
            assert 0 < len(by) <= 64 and by.isprintable()
        case "resume", (app, by):
            assert APP.fullmatch(app)
            assert 0 < len(by) <= 64 and by.isprintable()
        case "host_ready", (instance,):
            assert instance.startswith("i-") and set(instance) <= SAFE
        case "command_ended", (command,):
            assert set(command) <= SAFE
        case "hosts_reported", (app, command):
            assert APP.fullmatch(app)
            assert set(command) <= SAFE
        case ("scheduled_check" | "request_reports", ()):
            pass
        case _:
            assert call == "upload"


def changed(event: dict[str, Any], field: tuple[str, ...], value: object) -> dict[str, Any]:
    event = copy.deepcopy(event)
    part = event
    for name in field[:-1]:
        part = part[name]
    part[field[-1]] = value
    return event


@pytest.mark.hostile("handlers' events")
@pytest.mark.parametrize("name", ["deploy", "ssm_and_schedule", "rollback", "freeze"])
def test_what_is_no_object_is_refused(load: Load, name: str, cases: Cases[Any]) -> None:
    handler, controller = load(name)
    for odd in cases(ODD):
        if not isinstance(odd, dict):
            with pytest.raises(BadEvent):
                handler(odd)
    assert controller.calls == []


@pytest.mark.hostile("handlers' events")
def test_a_corpus_of_values_in_a_commands_event_is_refused_or_harmless(load: Load, cases: Cases[Any]) -> None:
    function, event = load("ssm_and_schedule"), payload("ssm-command-ended")
    for field, odd in cases(product(FIELDS, (*ODD, *PIECES))):
        judge(function, changed(event, field, odd))
        judge(function, changed(event, field, [odd]))


@pytest.mark.hostile("handlers' events")
def test_a_corpus_of_values_in_an_associations_event_is_refused_or_harmless(
    load: Load, cases: Cases[Any]
) -> None:
    function, event = load("ssm_and_schedule"), payload("ssm-association")
    fields = [("detail",), ("detail", "instance-id"), ("detail-type",), ("source",)]
    for field, odd in cases(product(fields, (*ODD, *PIECES))):
        judge(function, changed(event, field, odd))
        judge(function, changed(event, field, [odd]))


@pytest.mark.hostile("handlers' events")
@same_function
@given(
    st.sampled_from(["deploy", "ssm_and_schedule"]),
    st.dictionaries(st.sampled_from(["source", "detail", "time"]), JSON),
)
def test_any_object_is_refused_or_harmless(load: Load, name: str, event: dict[str, object]) -> None:
    judge(load(name), event)


@pytest.mark.hostile("rollback payloads")
def test_a_corpus_of_rollback_payloads_is_refused_or_harmless(load: Load, cases: Cases[Any]) -> None:
    function = load("rollback")
    for name, odd in cases(product(("app", "to", "by", "force", ""), (*ODD, *PIECES))):
        judge(function, {"app": "shop", name: odd})
        judge(function, {"app": "shop", name: [odd]})


@pytest.mark.hostile("rollback payloads")
@settings(same_function, max_examples=100)
@given(st.dictionaries(st.sampled_from(["app", "to"]) | TEXT, JSON, max_size=3))
def test_any_rollback_payload_is_refused_or_harmless(load: Load, event: dict[str, object]) -> None:
    judge(load("rollback"), event)


@pytest.mark.hostile("freeze payloads")
def test_a_corpus_of_freeze_payloads_is_refused_or_harmless(load: Load, cases: Cases[Any]) -> None:
    function = load("freeze")
    for name, odd in cases(product(("app", "freeze", "hold", "why", "by", "until"), (*ODD, *PIECES))):
        judge(function, {"app": "shop", "freeze": True, "why": "x", name: odd})
        judge(function, {"app": "shop", "freeze": False, name: [odd]})


@pytest.mark.hostile("freeze payloads")
@settings(same_function, max_examples=100)
@given(st.dictionaries(st.sampled_from(["app", "freeze", "hold", "why", "by"]) | TEXT, JSON, max_size=4))
def test_any_freeze_payload_is_refused_or_harmless(load: Load, event: dict[str, object]) -> None:
    judge(load("freeze"), event)


@pytest.mark.hostile("rollback payloads")
def test_a_payload_that_is_nested_without_end_is_refused(load: Load, cases: Cases[int]) -> None:
    handler, _ = load("rollback")
    nested: object = "shop"
    for _ in cases(range(50)):
        for _ in range(100):
            nested = [nested]
        with pytest.raises(BadEvent):
            handler({"app": nested})
