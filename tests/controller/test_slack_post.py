"""Posting to Slack, against a real server that answers as Slack does on its good and bad days."""

from __future__ import annotations

import json
import re
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.errors import GiveUp, TryAgain
from twinslot.notify import posting
from twinslot.notify.posting import (
    AddressGone,
    Answer,
    MessageRefused,
    NoAddress,
    Redirected,
    TooManyMessages,
    Unreachable,
    post,
)

from functions.slack.client import Bot, NotSlack, SlackClient, SlackFailed, Webhook
from lab.sandbox.services.slack import CHANNEL, TOKEN, WEBHOOK, Post, Reply, Slack
from tests.hostile import TEXT

MESSAGE = {"text": "shop 1.4.2 is live", "blocks": []}
SECRET = WEBHOOK.rpartition("/")[2]


class Clock:
    """Time that passes only in pauses."""

    def __init__(self, seconds_left: float) -> None:
        self.seconds_left = seconds_left
        self.pauses: list[float] = []

    def left(self) -> float:
        return self.seconds_left

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds_left -= seconds


@pytest.fixture(scope="module")
def server() -> Iterator[Slack]:
    server = Slack()
    yield server
    server.close()


@pytest.fixture
def slack(server: Slack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    monkeypatch.setenv("SLACK_ENDPOINT_URL", server.endpoint)
    usual = server.answer
    yield server
    server.answer = usual
    server.posts.clear()
    server.messages.clear()


def answering(*replies: Reply) -> Callable[[Post], Reply]:
    """One after the other; the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def webhook() -> Webhook:
    return Webhook("/twinslot/slack", WEBHOOK)


def bot() -> Bot:
    return Bot("/twinslot/slack", TOKEN, CHANNEL)


def send(
    client: SlackClient, clock: Clock | None = None, thread: str | None = None, broadcast: bool = False
) -> str | None:
    clock = clock or Clock(55)
    return post(client, MESSAGE, thread, broadcast=broadcast, seconds_left=clock.left, sleep=clock.sleep)


def test_a_webhook_gets_the_message_as_it_is(slack: Slack) -> None:
    assert send(webhook(), thread="1.2") is None
    (sent,) = slack.posts
    assert sent.path == WEBHOOK.removeprefix("https://hooks.slack.com")
    assert sent.message == MESSAGE
    assert "authorization" not in sent.headers


def test_a_bot_posts_into_its_channel_and_returns_the_messages_name(slack: Slack) -> None:
    name = send(bot())
    (sent,) = slack.posts
    assert name and name.replace(".", "").isdigit()
    assert sent.path == "/api/chat.postMessage"
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.message == {**MESSAGE, "channel": CHANNEL, "unfurl_links": False, "unfurl_media": False}


def test_a_bots_answer_is_in_the_thread_and_what_is_urgent_in_the_channel_too(slack: Slack) -> None:
    send(bot(), thread="1794441600.000100")
    send(bot(), thread="1794441600.000100", broadcast=True)
    assert [sent.message["thread_ts"] for sent in slack.posts] == ["1794441600.000100"] * 2
    assert [sent.message["reply_broadcast"] for sent in slack.posts] == [False, True]


def test_a_thread_that_is_gone_costs_the_thread_and_not_the_message(slack: Slack) -> None:
    slack.answer = answering(
        Reply(200, '{"ok":false,"error":"thread_not_found"}'), Reply(200, '{"ok":true,"ts":"1.2"}')
    )
    assert send(bot(), thread="1.1") == "1.2"
    assert "thread_ts" not in slack.posts[1].message


@pytest.mark.parametrize(
    ("reply", "error", "expected"),
    [
        (Reply(404, "no_service"), AddressGone, "404 no_service. Make a new one and put its address into"),
        (Reply(410, "channel_is_archived"), AddressGone, "/twinslot/slack"),
        (Reply(403, "action_prohibited"), AddressGone, "action_prohibited"),
        (Reply(400, "invalid_blocks"), MessageRefused, "400 invalid_blocks"),
        (Reply(200, "<html>Please log in</html>"), NotSlack, "<html>"),
        (Reply(200, ""), NotSlack, "not Slack's"),
        (Reply(302, "", {"Location": "http://evil.example/"}), Redirected, "302"),
        (Reply(307, "", {"Location": "http://127.0.0.1:1/"}), Redirected, "307"),
    ],
)
def test_what_will_not_change_is_raised_and_not_retried(
    slack: Slack, reply: Reply, error: type[GiveUp], expected: str
) -> None:
    slack.answer = answering(reply)
    with pytest.raises(error) as raised:
        send(webhook())
    assert expected in str(raised.value)
    assert SECRET not in str(raised.value)
    assert len(slack.posts) == 1


@pytest.mark.parametrize(
    ("reason", "error", "expected"),
    [
        ("invalid_auth", AddressGone, "Put a new one into the parameter /twinslot/slack"),
        ("token_revoked", AddressGone, "token_revoked"),
        ("not_in_channel", MessageRefused, "invite the bot"),
        ("channel_not_found", MessageRefused, "SlackChannel"),
        ("missing_scope", MessageRefused, "chat:write"),
        ("something_new", MessageRefused, "something_new"),
    ],
)
def test_what_slack_refuses_a_bot_names_the_remedy(
    slack: Slack, reason: str, error: type[GiveUp], expected: str
) -> None:
    slack.answer = answering(Reply(200, json.dumps({"ok": False, "error": reason})))
    with pytest.raises(error, match=expected):
        send(bot())
    assert len(slack.posts) == 1


@pytest.mark.parametrize("body", ["<html>", "", "[]", "null", "[" * 3000, '{"ok": "true"}'])
def test_an_answer_to_a_bot_that_is_not_slacks_is_no_success(slack: Slack, body: str) -> None:
    slack.answer = answering(Reply(200, body))
    with pytest.raises(GiveUp):
        send(bot())


@pytest.mark.parametrize(
    "reply", [Reply(500, "rollup_error"), Reply(502, "<html>bad gateway</html>"), Reply(429), Reply(0)]
)
@pytest.mark.parametrize("client", [webhook, bot])
def test_what_is_temporary_is_retried_with_pauses(
    slack: Slack, client: Callable[[], SlackClient], reply: Reply
) -> None:
    good = Reply(200, "ok") if client is webhook else Reply(200, '{"ok":true,"ts":"1.2"}')
    slack.answer = answering(reply, reply, good)
    clock = Clock(55)
    send(client(), clock)
    assert clock.pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("reply", "error"),
    [(Reply(500, "<html>"), SlackFailed), (Reply(0), Unreachable), (Reply(429), TooManyMessages)],
)
def test_after_three_attempts_lambda_retries(slack: Slack, reply: Reply, error: type[TryAgain]) -> None:
    slack.answer = answering(reply)
    with pytest.raises(error):
        send(webhook())
    assert len(slack.posts) == 3


def test_slack_is_given_the_time_that_it_asks_for(slack: Slack) -> None:
    slack.answer = answering(Reply(429, "", {"Retry-After": "30"}), Reply(200, "ok"))
    clock = Clock(55)
    send(webhook(), clock)
    assert clock.pauses == [30.0]


@pytest.mark.parametrize("after", ["46", "3600", "999999999"])
def test_a_pause_that_does_not_fit_is_left_to_lambda(slack: Slack, after: str) -> None:
    slack.answer = answering(Reply(429, "", {"Retry-After": after}))
    clock = Clock(55)
    with pytest.raises(TooManyMessages, match=f"for {after} s"):
        send(webhook(), clock)
    assert clock.pauses == []
    assert len(slack.posts) == 1


@pytest.mark.parametrize("after", ["-5", "soon", "1e3", "9" * 50, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_pause_that_is_no_number_of_seconds_is_our_own(slack: Slack, after: str) -> None:
    slack.answer = answering(Reply(429, "", {"Retry-After": after}), Reply(200, "ok"))
    clock = Clock(55)
    send(webhook(), clock)
    assert clock.pauses == [1.0]


def test_silence_ends_in_a_timeout(slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "READ_SECONDS", 0.05)
    slack.answer = answering(Reply(200, "ok", after=0.5))
    with pytest.raises(Unreachable, match="ReadTimeout"):
        send(webhook(), Clock(0))


def test_a_refused_connection_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SLACK_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(Unreachable, match="ConnectionError") as raised:
            send(webhook())
    # The library's own error, which names the address, is not chained to it.
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_of_an_endless_answer_the_beginning_is_read(slack: Slack) -> None:
    slack.answer = answering(Reply(400, "x" * 5_000_000))
    with pytest.raises(MessageRefused) as raised:
        send(webhook())
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.com.evil.example/services/T0/B0/x",
        "https://evil.example/https://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.com@evil.example/services/T0/B0/x",
        "https://hooks.slack.com:8443/services/T0/B0/x",
        "https://hooks.slack.com/services/../../api/x",
        "https://hooks.slack.com/services/T0/B0/x?to=evil",
        "https://hooks.slack.com/services/T0/B0/x#y",
        "https://hooks.slack.com/services/T0/B0/x\r\nHost: evil",
        "https://hooks.slack.com\\@evil.example/services/T0/B0/x",
        "https://HOOKS.slack.com/services/T0/B0/x",
        "https://hooks.slack.com/triggers/T0/B0/x",
        "http://169.254.169.254/latest/meta-data/",
        TOKEN,
    ],
)
def test_a_parameter_that_leads_elsewhere_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(NoAddress, match="/twinslot/slack") as raised:
        Webhook("/twinslot/slack", address)
    assert "evil" not in str(raised.value)


@given(TEXT | st.text("@:/.?#\\ax", max_size=3), st.integers(0, len(WEBHOOK)), st.integers(0, 3))
def test_no_change_to_an_address_leads_a_message_away_from_slack(piece: str, at: int, less: int) -> None:
    try:
        request = Webhook("/p", WEBHOOK[:at] + piece + WEBHOOK[at + less :]).request(
            MESSAGE, None, broadcast=False
        )
    except NoAddress:
        return
    assert request.origin == "https://hooks.slack.com"
    assert re.fullmatch(r"/services/\w+/\w+/\w+", request.path, re.ASCII)


@pytest.mark.parametrize("token", ["", "xoxb-", f"{TOKEN}\r\nX: y", WEBHOOK, "Bearer x"])
def test_what_is_no_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(NoAddress) as raised:
        Bot("/twinslot/slack", token, CHANNEL)
    assert len(token) < 6 or token not in str(raised.value)


@pytest.mark.parametrize("channel", ["", "#general", "C0/../x", "c0123456789"])
def test_what_is_no_channel_is_refused(channel: str) -> None:
    with pytest.raises(NoAddress, match="SlackChannel"):
        Bot("/twinslot/slack", TOKEN, channel)


@pytest.mark.hostile("announcements")
@given(st.integers(100, 599), TEXT, st.none() | TEXT)
def test_any_answer_is_a_success_or_a_named_error(status: int, body: str, after: str | None) -> None:
    for client in (webhook(), bot()):
        refusal: Any = ""
        try:
            client.posted(Answer(status, body, after))
        except (GiveUp, TryAgain) as error:
            refusal = str(error)
        assert status == 200 or refusal
        assert refusal.isprintable()
        assert len(refusal) < 400
