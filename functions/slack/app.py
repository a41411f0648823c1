"""SNS: an announcement, to be posted to Slack."""

import os
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.notify.delivery import Target, deliver
from twinslot.notify.ledger import Ledger
from twinslot.notify.secret import Secret
from twinslot.telemetry import logger, tracer

from .client import CHAT, Bot, SlackClient, Webhook
from .message import compose

CHANNEL = os.environ.get("SLACK_CHANNEL", "")
SECRET = Secret(os.environ["SLACK_PARAMETER"], boto3.client("ssm"))
LEDGER = Ledger(os.environ["TABLE"], CHAT, boto3.client("dynamodb"))


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Post the announcement, once. Raises BadEvent, the errors of client.py, TryAgain and GiveUp."""
    deliver(event, Target(_connect, compose, LEDGER), lambda: context.get_remaining_time_in_millis() / 1000)


def _connect() -> SlackClient:
    """Return a bot's client where there is a channel, else a webhook's. Raises TryAgain and GiveUp."""
    return Bot(SECRET.name, SECRET.value(), CHANNEL) if CHANNEL else Webhook(SECRET.name, SECRET.value())
