"""What SNS delivers is posted to Slack once; what cannot be posted is raised, for Lambda to retry or keep."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from twinslot.errors import BadEvent, GiveUp, TryAgain
from twinslot.notify.ledger import Ledger
from twinslot.notify.secret import FRESH_SECONDS, Secret

from functions.slack.client import CHAT
from lab.sandbox.services.slack import CHANNEL, TOKEN, WEBHOOK, Reply, Slack
from tests.controller.conftest import TABLE
from tests.controller.test_handlers import Context
from tests.hostile import JSON, ODD, Cases
from tests.unit.announcement_samples import DRIFT, EACH, ID, STARTED, Sample

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).parents[2]
PARAMETER = "/twinslot/slack"


class WithTime(Context):
    def get_remaining_time_in_millis(self) -> int:
        return 5_000


@pytest.fixture(scope="module")
def server() -> Iterator[Slack]:
    server = Slack()
    yield server
    server.close()


@pytest.fixture(scope="module")
def module() -> ModuleType:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("POWERTOOLS_TRACE_DISABLED", "true")
        patched.setenv("SLACK_PARAMETER", PARAMETER)
        patched.setenv("TABLE", TABLE)
        return importlib.import_module("functions.slack.app")


class Function:
    """The function, its Slack and its parameter."""

    def __init__(self, module: ModuleType, slack: Slack, aws: boto3.Session) -> None:
        self.module = module
        self.slack = slack
        self.ssm = aws.client("ssm")

    def __call__(self, announcement: object) -> None:
        self.raw({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(announcement)}}]})

    def raw(self, event: object) -> None:
        self.module.handler(event, WithTime())

    def put(self, value: str) -> None:
        self.ssm.put_parameter(Name=PARAMETER, Type="SecureString", Value=value, Overwrite=True)


@pytest.fixture
def slack(
    server: Slack,
    module: ModuleType,
    aws: boto3.Session,
    dynamodb: DynamoDBClient,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Function]:
    """With a webhook, in an empty account."""
    function = Function(module, server, aws)
    function.put(WEBHOOK)
    monkeypatch.setenv("SLACK_ENDPOINT_URL", server.endpoint)
    monkeypatch.setattr(module, "SECRET", Secret(PARAMETER, function.ssm))
    monkeypatch.setattr(module, "LEDGER", Ledger(TABLE, CHAT, dynamodb))
    monkeypatch.setattr(module, "CHANNEL", "")
    usual = server.answer
    yield function
    server.answer = usual
    server.posts.clear()
    server.messages.clear()


@pytest.fixture
def bot(slack: Function, monkeypatch: pytest.MonkeyPatch) -> Function:
    slack.put(TOKEN)
    monkeypatch.setattr(slack.module, "CHANNEL", CHANNEL)
    return slack


def headlines(slack: Function) -> list[str]:
    return [message["blocks"][0]["text"]["text"] for message in slack.slack.messages]


def test_what_sns_brings_is_posted(slack: Function) -> None:
    slack.raw(json.loads((ROOT / "events" / "sns-announcement.json").read_text()))
    assert headlines(slack) == ["✅ shop 1.4.2 is live"]


def test_a_repeat_is_posted_once(slack: Function) -> None:
    for announcement in (STARTED, STARTED, EACH["LIVE"], EACH["LIVE"], DRIFT, DRIFT):
        slack(announcement)
    assert headlines(slack) == [
        "🚀 shop 1.4.2 is being staged",
        "✅ shop 1.4.2 is live",
        "⚠️ shop differs from the expected state on a host",
    ]


def test_the_end_is_in_the_thread_of_its_start_and_a_failure_in_the_channel_too(bot: Function) -> None:
    bot(STARTED)
    bot(EACH["FAILED"])
    start, end = bot.slack.posts
    assert "thread_ts" not in start.message
    assert end.message["thread_ts"] == bot.module.LEDGER.name(f"{ID}/started")
    assert end.message["reply_broadcast"] is True


def test_a_start_that_was_lost_costs_the_thread_alone(bot: Function) -> None:
    bot(EACH["LIVE"])
    (end,) = bot.slack.posts
    assert "thread_ts" not in end.message


def test_a_start_that_cannot_be_looked_up_costs_the_thread_alone(
    bot: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(announcement: str) -> None:
        raise TryAgain(f"{announcement}: throttled")

    monkeypatch.setattr(bot.module.LEDGER, "name", throttled)
    bot(EACH["LIVE"])
    assert headlines(bot) == ["✅ shop 1.4.2 is live"]


def test_a_message_that_could_not_be_recorded_is_no_failure(
    slack: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(announcement: str, name: str | None) -> None:
        raise TryAgain(f"{announcement}: throttled")

    monkeypatch.setattr(slack.module.LEDGER, "record", throttled)
    slack(EACH["LIVE"])
    assert len(slack.slack.messages) == 1


@pytest.mark.parametrize("reply", [Reply(500), Reply(404, "no_service"), Reply(200, "<html>")])
def test_what_was_not_posted_is_raised_and_posted_by_the_repeat(slack: Function, reply: Reply) -> None:
    usual, slack.slack.answer = slack.slack.answer, lambda _: reply
    with pytest.raises((GiveUp, TryAgain)):
        slack(EACH["LIVE"])
    slack.slack.answer = usual
    slack.slack.messages.clear()
    slack(EACH["LIVE"])
    assert headlines(slack) == ["✅ shop 1.4.2 is live"]


def test_a_parameter_that_is_missing_or_no_address_is_named(slack: Function) -> None:
    slack.put("http://evil.example/")
    with pytest.raises(GiveUp, match=f"the parameter {PARAMETER} holds no address"):
        slack(EACH["LIVE"])
    slack.ssm.delete_parameter(Name=PARAMETER)
    slack.module.SECRET.__init__(PARAMETER, slack.ssm)
    with pytest.raises(GiveUp, match=f"reading the parameter {PARAMETER}"):
        slack(EACH["LIVE"])
    assert slack.slack.posts == []


def test_the_secret_is_read_once_in_a_while_and_is_in_no_log(
    slack: Function, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    secret = Secret(PARAMETER, slack.ssm, lambda: now)
    assert secret.value() == WEBHOOK
    slack.put(TOKEN)
    assert secret.value() == WEBHOOK
    now = FRESH_SECONDS + 1
    assert secret.value() == TOKEN
    slack.put(WEBHOOK)
    slack(EACH["LIVE"])
    slack.slack.answer = lambda _: Reply(404, "no_service")
    with pytest.raises(GiveUp):
        slack({**EACH["FAILED"], "announcement": f"{ID}/another"})
    logged = caplog.text + "".join(capsys.readouterr())
    assert "posted" in logged
    assert WEBHOOK.rpartition("/")[2] not in logged


def with_message(event: Any) -> Sample:
    return {"Records": [{"Sns": {"Message": event}}]}


@pytest.mark.hostile("handlers' events")
def test_an_event_of_another_shape_is_refused_and_nothing_is_posted(
    slack: Function, cases: Cases[Any]
) -> None:
    good = with_message(json.dumps(EACH["LIVE"]))["Records"]
    shapes = [{"Records": good * 2}, {"Records": []}, *ODD, *({"Records": odd} for odd in ODD)]
    for event in cases([*shapes, *map(with_message, ODD), with_message("{"), with_message("[" * 100_000)]):
        with pytest.raises(BadEvent):
            slack.raw(event)
    assert slack.slack.posts == []


@pytest.mark.hostile("handlers' events")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON)
def test_any_message_that_is_no_announcement_is_refused(slack: Function, message: object) -> None:
    with pytest.raises(BadEvent):
        slack.raw(with_message(json.dumps(message)))
