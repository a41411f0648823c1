"""Delivers the announcement of an SNS event to a chat, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from twinslot.announce.parse import parse
from twinslot.announce.view import View
from twinslot.errors import BadEvent, TwinslotError
from twinslot.notify.ledger import Ledger
from twinslot.notify.posting import ChatClient, Message, post
from twinslot.telemetry import logger


@dataclass(frozen=True)
class Target:
    """A chat: `connect` makes its client from the secret, `compose` draws a view as one of its messages."""

    connect: Callable[[], ChatClient]
    compose: Callable[[View], Message]
    ledger: Ledger


def deliver(event: object, target: Target, seconds_left: Callable[[], float]) -> None:
    """Post the announcement of an SNS event, unless it was posted before.

    Raises BadEvent, the errors of the target's client, TryAgain and GiveUp.
    """
    view = parse(_announcement(event))
    logger.set_correlation_id(view.deployment or view.id)
    if not target.ledger.claim(view.id, seconds_left()):
        logger.info("skipped: it was posted before", announcement=view.id)
        return
    try:
        client = target.connect()
        thread = _thread(view, target.ledger) if client.has_threads else None
        message = target.compose(view)
        name = post(client, message, thread, broadcast=view.is_urgent, seconds_left=seconds_left)
    except TwinslotError:
        target.ledger.release(view.id)
        raise
    _record(view, name, target.ledger)


def _announcement(event: object) -> object:
    """Return the JSON of the message of the one record of an SNS event."""
    try:
        (record,) = event["Records"]  # type: ignore[index]  # of any type: what it lacks is raised below
        return json.loads(record["Sns"]["Message"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BadEvent("no message of SNS with an announcement of twinslot in it") from None


def _thread(view: View, ledger: Ledger) -> str | None:
    """Return the name of the message of the deployment's start. Without one there is only no thread."""
    if not view.is_end:
        return None
    try:
        return ledger.name(f"{view.deployment}/started")
    except TwinslotError as error:
        logger.warning("no thread: the message of the start is not known", error=str(error))
        return None


def _record(view: View, name: str | None, ledger: Ledger) -> None:
    """Record the message. A failure here must not lead to a repeat: people have read it."""
    try:
        ledger.record(view.id, name)
    except TwinslotError as error:
        logger.warning("posted, but not recorded: a repeat would post it again", error=str(error))
    logger.info("posted", announcement=view.id, outcome=view.outcome, app=view.app)
