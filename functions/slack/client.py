"""Slack's client, by an incoming webhook or a bot's token: what is sent to each, and what an answer means.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

import json
import re

from twinslot.errors import GiveUp, TryAgain
from twinslot.intake.sanitize import sanitize
from twinslot.notify.posting import (
    AddressGone,
    Answer,
    Message,
    MessageRefused,
    NoAddress,
    Redirected,
    Request,
    ThreadGone,
    TooManyMessages,
)

CHAT = "Slack"

WEBHOOKS = "https://hooks.slack.com"
API = "https://slack.com"
WEBHOOK = re.compile(re.escape(WEBHOOKS) + r"(/services(?:/[A-Za-z0-9]{1,64}){3})")
TOKEN = re.compile(r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,500}")
CHANNEL = re.compile(r"[A-Z][A-Z0-9]{5,30}")
MOMENT = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")
"""Slack's name of a message in its channel."""

MAX_QUOTE_CHARACTERS = 100


class NotSlack(GiveUp):
    """Something answered, but not as Slack does."""


class SlackFailed(TryAgain):
    """Slack reports a fault of its own."""


class Webhook:
    """An incoming webhook. It has no threads, and posts into the channel that it was made for."""

    chat = CHAT
    has_threads = False

    def __init__(self, parameter: str, secret: str) -> None:
        """Raise NoAddress unless the secret is the address of a webhook of Slack's own."""
        address = WEBHOOK.fullmatch(secret.strip())
        if address is None:
            raise NoAddress(
                f"the parameter {parameter} holds no address of a Slack webhook; it must be"
                f" {WEBHOOKS}/services/… with three parts"
            )
        self.parameter = parameter
        self._path = address[1]

    def request(self, message: Message, thread: str | None, *, broadcast: bool) -> Request:
        return Request(WEBHOOKS, self._path, message)

    def posted(self, answer: Answer) -> None:
        _check_status(answer)
        if answer.status in (403, 404, 410):
            raise AddressGone(
                f"Slack does not know the webhook any more: it answered {_quoted(answer)}."
                f" Make a new one and put its address into the parameter {self.parameter}"
            )
        if answer.status != 200:
            raise MessageRefused(f"Slack refused the message: it answered {_quoted(answer)}")
        if answer.body.strip() != "ok":
            raise NotSlack(f"the answer is not Slack's: {_quoted(answer)}")


class Bot:
    """chat.postMessage with a bot's token, into one channel."""

    chat = CHAT
    has_threads = True

    def __init__(self, parameter: str, secret: str, channel: str) -> None:
        """Raise NoAddress unless these are a token and the id of a channel."""
        if not TOKEN.fullmatch(secret.strip()):
            raise NoAddress(
                f"the parameter {parameter} holds no token of a Slack bot; it must begin with xoxb-"
            )
        if not CHANNEL.fullmatch(channel):
            raise NoAddress(
                f"SlackChannel is {sanitize(channel, 40)!r}; it must be a channel's id, C0123456789"
            )
        self.parameter = parameter
        self._token = secret.strip()
        self._channel = channel

    def request(self, message: Message, thread: str | None, *, broadcast: bool) -> Request:
        body = {"channel": self._channel, **message, "unfurl_links": False, "unfurl_media": False}
        if thread:
            body |= {"thread_ts": thread, "reply_broadcast": broadcast}
        return Request(API, "/api/chat.postMessage", body, {"Authorization": f"Bearer {self._token}"})

    def posted(self, answer: Answer) -> str | None:
        _check_status(answer)
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = None
        if answer.status != 200 or not isinstance(body, dict):
            raise NotSlack(f"the answer is not Slack's: {_quoted(answer)}")
        if body.get("ok") is not True:
            raise self._refusal(sanitize(str(body.get("error")), MAX_QUOTE_CHARACTERS))
        name = body.get("ts")
        return name if isinstance(name, str) and MOMENT.fullmatch(name) else None

    def _refusal(self, error: str) -> GiveUp | TryAgain:
        if error in ("ratelimited", "rate_limited"):
            return TooManyMessages("Slack takes no more messages for a while", None)
        if error in TEMPORARY:
            return SlackFailed(f"Slack failed: {error}")
        if error in THREAD_GONE:
            return ThreadGone(f"Slack does not find the message to answer: {error}")
        if error in TOKEN_GONE:
            return AddressGone(
                f"Slack does not know the token any more: {error}."
                f" Put a new one into the parameter {self.parameter}"
            )
        remedy = REMEDIES.get(error, "see the method's page on docs.slack.dev")
        return MessageRefused(f"Slack refused the message: {error}; {remedy}")


SlackClient = Webhook | Bot

TEMPORARY = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})
THREAD_GONE = frozenset({"cannot_reply_to_message", "message_not_found", "thread_not_found"})
TOKEN_GONE = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
REMEDIES = {
    "channel_not_found": "is SlackChannel the channel's id, and is the bot in that channel?",
    "is_archived": "SlackChannel names a channel that was archived",
    "missing_scope": "give the app the scope chat:write and install it again",
    "not_in_channel": "invite the bot into the channel",
}
"""Errors of chat.postMessage, and what to do about the common ones."""


def _check_status(answer: Answer) -> None:
    """Raise the error of an answer's status, which is the same for both clients."""
    if answer.status == 429:
        seconds = answer.retry_after or ""
        after = int(seconds) if re.fullmatch(r"[0-9]{1,9}", seconds) else None
        pause = f"for {after} s" if after is not None else "for a while"
        raise TooManyMessages(f"Slack takes no more messages {pause}: {_quoted(answer)}", after)
    if answer.status >= 500:
        raise SlackFailed(f"Slack failed: it answered {_quoted(answer)}")
    if 300 <= answer.status < 400:
        raise Redirected(f"the answer redirects, and a secret is not carried there: {_quoted(answer)}")


def _quoted(answer: Answer) -> str:
    return f"{answer.status} {sanitize(answer.body.strip(), MAX_QUOTE_CHARACTERS)}".strip()
