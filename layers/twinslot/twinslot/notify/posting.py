"""Posts a message to a chat over HTTP: with timeouts and retries, and never longer than there is time.

A chat is a ChatClient: it makes the request and reads the answer. All that is the same for each chat is here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests

from twinslot.errors import GiveUp, TryAgain

CONNECT_SECONDS = 3.0
READ_SECONDS = 7.0
PAUSES_SECONDS = (1.0, 2.0)
"""Before the second and the third attempt, where the chat does not name a pause."""

MAX_ANSWER_CHARACTERS = 4_000
ENDPOINT = "{CHAT}_ENDPOINT_URL"
"""The variable that leads away from a chat's hosts, as AWS_ENDPOINT_URL does from AWS's. The template never
sets it, and no parameter can: only those who could change the function's code, too."""

Message = dict[str, Any]


class NoAddress(GiveUp):
    """What leads to the chat is missing, or leads elsewhere."""


class AddressGone(GiveUp):
    """The chat does not know the address or the token any more."""


class MessageRefused(GiveUp):
    """The chat does not take this message, now or later."""


class ThreadGone(GiveUp):
    """The message to answer does not exist any more."""


class Redirected(GiveUp):
    """The answer redirects; a secret is not carried there."""


class Unreachable(TryAgain):
    """No answer: no connection, or a timeout."""


class TooManyMessages(TryAgain):
    """The chat takes no more for `after` seconds, None when it does not name them."""

    def __init__(self, message: str, after: int | None) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True)
class Request:
    """A POST of JSON; `origin` is the chat's, and `path` may hold a secret."""

    origin: str
    path: str
    body: Message
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The beginning of an HTTP answer. `retry_after` is the header's text, None when there is none."""

    status: int
    body: str
    retry_after: str | None = None


class ChatClient(Protocol):
    """A way into a channel of a chat. `chat` is the chat's name, such as Slack."""

    chat: str
    has_threads: bool

    def request(self, message: Message, thread: str | None, *, broadcast: bool) -> Request:
        """Return the request that posts a message. `thread` is the name of the message that it answers;
        `broadcast` shows an answer in the channel, too."""

    def posted(self, answer: Answer) -> str | None:
        """Return the posted message's name, None where the chat does not give one.

        Raises the errors of this module, and the client's own, which are TryAgain or GiveUp.
        """


def post(
    client: ChatClient,
    message: Message,
    thread: str | None,
    *,
    broadcast: bool,
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Post a message and return its name in the chat, None where the chat does not give one.

    A temporary failure is retried while that fits into the seconds that are left; a message whose thread is
    gone is posted without it. Raises the client's errors, and Unreachable.
    """
    try:
        return _retry(client, client.request(message, thread, broadcast=broadcast), seconds_left, sleep)
    except ThreadGone:
        return _retry(client, client.request(message, None, broadcast=broadcast), seconds_left, sleep)


def _retry(
    client: ChatClient, request: Request, seconds_left: Callable[[], float], sleep: Callable[[float], None]
) -> str | None:
    for pause in PAUSES_SECONDS:
        try:
            return client.posted(_send(client.chat, request))
        except TryAgain as error:
            asked = error.after if isinstance(error, TooManyMessages) else None
            wait = pause if asked is None else float(asked)
            if wait + CONNECT_SECONDS + READ_SECONDS > seconds_left():
                raise
            sleep(wait)
    return client.posted(_send(client.chat, request))


def _send(chat: str, request: Request) -> Answer:
    """Send it once. Raises Unreachable, whose text does not hold the address: that is a secret."""
    origin = os.environ.get(ENDPOINT.format(CHAT=chat.upper())) or request.origin
    with requests.Session() as session:
        # Nothing of the environment, such as a proxy or a .netrc, takes part.
        session.trust_env = False
        try:
            with session.post(
                origin + request.path,
                json=request.body,
                headers=request.headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = next(_beginning(response), b"")
                return Answer(
                    response.status_code,
                    body.decode("utf-8", "replace"),
                    response.headers.get("Retry-After"),
                )
        except requests.RequestException as error:
            raise Unreachable(f"{chat} does not answer: {type(error).__name__}") from None


def _beginning(response: requests.Response) -> Iterator[bytes]:
    found: Iterator[bytes] = response.iter_content(MAX_ANSWER_CHARACTERS)
    return found
