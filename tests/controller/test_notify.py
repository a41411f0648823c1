"""A second chat needs its client and how it draws a message, nothing else: a tiny one, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from twinslot.announce.view import View
from twinslot.errors import BadEvent, GiveUp
from twinslot.notify.delivery import Target, deliver
from twinslot.notify.ledger import Ledger
from twinslot.notify.posting import Answer, Message, MessageRefused, Request

from tests.controller.conftest import TABLE
from tests.unit.announcement_samples import DRIFT, EACH, ID, STARTED, Sample

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class PigeonClient:
    """The client of the chat Pigeon."""

    chat = "Pigeon"
    has_threads = True

    def request(self, message: Message, thread: str | None, *, broadcast: bool) -> Request:
        return Request(
            "https://pigeon.example", "/fly", {**message, "answers": thread, "broadcast": broadcast}
        )

    def posted(self, answer: Answer) -> str | None:
        if answer.status != 200:
            raise MessageRefused(f"Pigeon refused the message: {answer.status}")
        return answer.body


def compose(view: View) -> Message:
    """Draw a view for Pigeon."""
    return {"text": f"{view.headline}. {view.meaning}"}


class Pigeon(HTTPServer):
    """The server: it keeps what was posted and names each message by its number."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[Message] = []
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    server: Pigeon

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.messages.append(json.loads(body))
        answer = str(len(self.server.messages)).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def pigeon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pigeon]:
    with Pigeon() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("PIGEON_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(dynamodb: DynamoDBClient) -> Target:
    return Target(PigeonClient, compose, Ledger(TABLE, PigeonClient.chat, dynamodb))


def sns(announcement: Sample) -> Sample:
    return {"Records": [{"Sns": {"Message": json.dumps(announcement)}}]}


def test_a_second_chat_gets_each_announcement_once_and_the_end_in_a_thread(
    pigeon: Pigeon, target: Target
) -> None:
    for announcement in (STARTED, STARTED, EACH["FAILED"], DRIFT):
        deliver(sns(announcement), target, lambda: 60)
    assert [message["text"].partition(".")[0] for message in pigeon.messages] == [
        "🚀 shop 1",
        "❌ shop 1",
        "⚠️ shop differs from the expected state on a host",
    ]
    assert [message["answers"] for message in pigeon.messages] == [None, "1", None]
    assert [message["broadcast"] for message in pigeon.messages] == [False, True, True]
    assert target.ledger.name(f"{ID}/started") == "1"


def test_what_it_refuses_is_raised_and_posted_by_the_retry(pigeon: Pigeon, target: Target) -> None:
    pigeon.status = 400
    with pytest.raises(GiveUp, match="Pigeon refused"):
        deliver(sns(STARTED), target, lambda: 60)
    pigeon.status = 200
    deliver(sns(STARTED), target, lambda: 60)
    assert len(pigeon.messages) == 1


def test_an_outcome_of_a_newer_version_is_posted_as_a_plain_message(pigeon: Pigeon, target: Target) -> None:
    newer = {**EACH["LIVE"], "outcome": "EVACUATED", "written_by": "9.1.0", "failure": "moved"}
    deliver(sns(newer), target, lambda: 60)
    assert pigeon.messages[0]["text"].startswith("🔔 shop 1.4.2 has the outcome EVACUATED. Unknown outcome")
    with pytest.raises(BadEvent):
        deliver(sns({"twinslot": "one"}), target, lambda: 60)


def test_two_chats_know_nothing_of_each_others_messages(
    pigeon: Pigeon, target: Target, dynamodb: DynamoDBClient
) -> None:
    deliver(sns(STARTED), target, lambda: 60)
    assert Ledger(TABLE, "Slack", dynamodb).claim(f"{ID}/started", 60)
