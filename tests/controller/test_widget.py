"""The widget's function: from a dashboard's call, by the table, to a page; it never writes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from twinslot.aws.store import Store
from twinslot.domain.model import Application, Decision, HostReport, Live, Outcome

from tests.controller.conftest import NOW, TABLE
from tests.controller.test_handlers import Context
from tests.controller.test_store import deployment
from tests.hostile import ODD, Cases

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).parents[2]
HOST = "i-0123456789abcdef0"


@cache
def _module() -> ModuleType:
    """The handler's module, as the runtime loads it."""
    with pytest.MonkeyPatch.context() as patched:
        for variable in (
            "TABLE",
            "TOPIC",
            "DOCUMENT",
            "DOCUMENT_VERSION",
            "ROLLBACK_FUNCTION",
            "FREEZE_FUNCTION",
        ):
            patched.setenv(variable, variable.lower().replace("_function", ""))
        patched.setenv("POWERTOOLS_TRACE_DISABLED", "true")
        return importlib.import_module("functions.widget.app")


@pytest.fixture
def ask(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], str]:
    """The function, on the test's table."""
    monkeypatch.setattr(_module(), "STORE", store)
    return lambda event: str(_module().handler(event, Context()))


def keep(store: Store, application: Application) -> None:
    store.save(Application(application.name), Decision(application))


def live(label: str, number: int) -> Live:
    release = deployment(number, label).release
    assert release
    return Live(release, f"01JD{number:022}", NOW)


@pytest.fixture
def dashboard() -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / "widget.json").read_text())
    return event


def test_the_page_shows_every_app_of_the_table(
    store: Store, ask: Callable[[Any], str], dashboard: dict[str, Any]
) -> None:
    keep(store, Application("shop", live=live("1.4.2", 2), previous=live("1.4.1", 1)))
    keep(store, Application("cart", current=deployment(3, "2.0.0")))
    html = ask(dashboard)
    assert ">shop<" in html
    assert ">1.4.2<" in html
    assert "Deploying 2.0.0" in html


def test_the_button_calls_the_rollback_function_of_the_same_account(
    store: Store, ask: Callable[[Any], str], dashboard: dict[str, Any]
) -> None:
    keep(store, Application("shop", live=live("1.4.2", 2), previous=live("1.4.1", 1)))
    assert 'endpoint="arn:aws:lambda:eu-central-1:123456789012:function:rollback"' in ask(dashboard)


def test_hosts_and_deployments_are_read_from_their_own_items(
    store: Store, ask: Callable[[Any], str], dashboard: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_module().time, "time", lambda: NOW + 60)
    application = Application("shop", live=live("1.4.2", 2))
    past = deployment(1, "1.4.1", Outcome.FAILED)
    store.save(Application("shop"), Decision(application, records=(past,)))
    report = HostReport(HOST, "shop", "report", "s", "", 1, True, "", (), None, False, {}, None, {})
    store.save_reports("shop", [report])
    html = ask(dashboard)
    assert f"{HOST} <span" in html
    assert "last report 1 min ago" in html
    assert ">FAILED<" in html


def test_an_empty_table_explains_what_to_do(ask: Callable[[Any], str], dashboard: dict[str, Any]) -> None:
    assert "No app has been deployed yet" in ask(dashboard)


def test_theme_and_clock_are_the_dashboards(
    store: Store, ask: Callable[[Any], str], dashboard: dict[str, Any]
) -> None:
    keep(store, Application("shop", live=live("1.4.2", 2)))
    assert "twinslot dark" in ask(dashboard)
    assert "UTC+0900" in ask(dashboard)


def test_a_dashboard_that_asks_what_this_is_gets_words(ask: Callable[[Any], str]) -> None:
    assert ask({"describe": True}).startswith("## twinslot")


def test_a_table_that_does_not_answer_is_an_error_on_the_page(
    store: Store, ask: Callable[[Any], str], dynamodb: DynamoDBClient, dashboard: dict[str, Any]
) -> None:
    dynamodb.delete_table(TableName=TABLE)
    assert "Nothing can be shown" in ask(dashboard)


@pytest.mark.hostile("widget calls")
def test_no_call_is_an_error_or_changes_anything(
    store: Store, ask: Callable[[Any], str], dynamodb: DynamoDBClient, cases: Cases[object]
) -> None:
    keep(store, Application("shop", live=live("1.4.2", 2)))
    before = dynamodb.scan(TableName=TABLE)["Items"]
    zones = [{"timezone": odd} for odd in ODD] + [{"timezone": {"offsetISO": odd}} for odd in ODD]
    contexts = [*ODD, *zones, *({"theme": odd} for odd in ODD)]
    calls: list[object] = [*ODD, *({"widgetContext": context} for context in contexts), {"app": "shop"}]
    for event in cases(calls):
        if not (isinstance(event, dict) and event.get("describe")):
            assert ">1.4.2<" in ask(event)
    assert dynamodb.scan(TableName=TABLE)["Items"] == before


def test_an_app_is_read_once_though_both_queries_find_it(
    store: Store, ask: Callable[[Any], str], dashboard: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, Application("shop", live=live("1.4.2", 2)))
    monkeypatch.setattr(store, "busy_apps", lambda: ("shop",))
    assert ask(dashboard).count("<details") == 1


def test_a_hosts_last_report_comes_with_its_time(store: Store) -> None:
    report = HostReport(HOST, "shop", "report", "s", "", 1, True, "", (), "blue", False, {}, None, {})
    store.save_reports("shop", [report, replace(report, host="i-2")])
    store.save_reports("cart", [report])
    assert [(heard.report.host, heard.at) for heard in store.host_snapshots("shop")] == [
        (HOST, NOW),
        ("i-2", NOW),
    ]
    assert store.host_snapshots("shop")[0].report == report
