"""Posts to Slack over HTTP: with timeouts, a few times, and never longer than there is time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from twinslot.errors import TryAgain

from .client import Answer, Request, SlackClient, ThreadGone, TooManyMessages, Unreachable

CONNECT_SECONDS = 3.0
READ_SECONDS = 7.0
PAUSES_SECONDS = (1.0, 2.0)
"""Before the second and the third attempt, where Slack does not say how long to wait."""

MAX_ANSWER_CHARACTERS = 4_000
ENDPOINT = "SLACK_ENDPOINT_URL"
"""The variable that leads away from Slack's hosts, as AWS_ENDPOINT_URL does from AWS's. The template never
sets it, and no parameter can: only whoever could change the function's code, too."""


def post(
    client: SlackClient,
    message: dict[str, Any],
    thread: str | None,
    *,
    loudly: bool,
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Post a message; its name in Slack, None where Slack does not tell it.

    What fails for now is tried again while it fits into the seconds that are left; a thread that is gone
    costs the thread and not the message. Raises the errors of door.py.
    """
    try:
        return _tried(client, client.request(message, thread, loudly=loudly), seconds_left, sleep)
    except ThreadGone:
        return _tried(client, client.request(message, None, loudly=loudly), seconds_left, sleep)


def _tried(
    client: SlackClient, request: Request, seconds_left: Callable[[], float], sleep: Callable[[float], None]
) -> str | None:
    for pause in PAUSES_SECONDS:
        try:
            return client.posted(_sent(request))
        except TryAgain as error:
            asked = error.after if isinstance(error, TooManyMessages) else None
            wait = pause if asked is None else float(asked)
            if wait + CONNECT_SECONDS + READ_SECONDS > seconds_left():
                raise
            sleep(wait)
    return client.posted(_sent(request))


def _sent(request: Request) -> Answer:
    """Send it once. Raises Unreachable, whose text does not tell the address: that is a secret."""
    origin = os.environ.get(ENDPOINT) or request.origin
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
            raise Unreachable(f"Slack does not answer: {type(error).__name__}") from None


def _beginning(response: requests.Response) -> Iterator[bytes]:
    found: Iterator[bytes] = response.iter_content(MAX_ANSWER_CHARACTERS)
    return found
