"""An announcement came over SNS: people read it in Slack."""

import json
import os
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.announce.parse import parse
from twinslot.announce.view import View
from twinslot.errors import BadEvent, TwinslotError
from twinslot.telemetry import logger, tracer

from .client import Bot, SlackClient, Webhook
from .ledger import Ledger
from .message import compose
from .post import post
from .secret import Secret

CHANNEL = os.environ.get("SLACK_CHANNEL", "")
SECRET = Secret(os.environ["SLACK_PARAMETER"], boto3.client("ssm"))
LEDGER = Ledger(os.environ["TABLE"], boto3.client("dynamodb"))


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Post the announcement, once. Raises BadEvent, the errors of door.py, TryAgain and GiveUp."""
    view = parse(_announcement(event))
    logger.set_correlation_id(view.deployment or view.id)

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    if not LEDGER.claim(view.id, seconds_left()):
        logger.info("a repeat: it was posted before", announcement=view.id)
        return
    try:
        client = _door()
        name = post(client, compose(view), _thread(view), loudly=view.is_urgent, seconds_left=seconds_left)
    except TwinslotError:
        LEDGER.release(view.id)
        raise
    _note(view, name)


def _announcement(event: object) -> object:
    """What SNS brought: one record, whose message is JSON."""
    try:
        (record,) = event["Records"]  # type: ignore[index]  # whatever it is, what it lacks is view below
        return json.loads(record["Sns"]["Message"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BadEvent("no message of SNS with an announcement of twinslot in it") from None


def _door() -> SlackClient:
    return Bot(SECRET.name, SECRET.value(), CHANNEL) if CHANNEL else Webhook(SECRET.name, SECRET.value())


def _thread(view: View) -> str | None:
    """The message that view of the deployment's start. A start that nobody knows of costs the thread only."""
    if not CHANNEL or not view.is_end:
        return None
    try:
        return LEDGER.name(f"{view.deployment}/started")
    except TwinslotError as error:
        logger.warning("no thread: the start is not known", error=str(error))
        return None


def _note(view: View, name: str | None) -> None:
    """A failure here must not lead to a repeat: people have the message."""
    try:
        LEDGER.note(view.id, name)
    except TwinslotError as error:
        logger.warning("posted, but not noted: a repeat would post it again", error=str(error))
    logger.info("posted", announcement=view.id, outcome=view.outcome, app=view.app)
