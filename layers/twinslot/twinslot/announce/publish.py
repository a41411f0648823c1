"""Publishes announcements on SNS.

One message serves all: with `MessageStructure: json` an e-mail subscription gets the text, an HTTPS one
what Amazon Q reads, and every other protocol (Lambda, SQS, …) the `default`: JSON for programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinslot.announce import email
from twinslot.announce.amazon_q import custom_notification
from twinslot.announce.build import AnnouncingAct, view_of
from twinslot.announce.commands import Commands
from twinslot.announce.json_form import json_form
from twinslot.aws.calling import calling
from twinslot.errors import GiveUp

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef


@dataclass(frozen=True)
class Announcement:
    """What is published: `json` for programs, `text` for people, `attributes` to filter on."""

    id: str
    subject: str
    text: str
    json: str
    amazon_q: str
    attributes: dict[str, str]


class Announcer:
    """Publishes on one SNS topic. The functions are the names that the commands to copy call."""

    def __init__(self, topic: str, rollback_function: str, freeze_function: str, sns: SNSClient) -> None:
        self._topic = topic
        self._commands = Commands(rollback_function, freeze_function)
        self._sns = sns

    def publish(self, act: AnnouncingAct) -> None:
        """Publish an act. Raises TryAgain, or GiveUp when SNS will never take it."""
        announcement = compose(act, self._commands)
        message = {
            "default": announcement.json,
            "email": announcement.text,
            "https": announcement.amazon_q,
            "sms": announcement.subject,
        }
        attributes: dict[str, MessageAttributeValueTypeDef] = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in announcement.attributes.items()
        }
        with calling(f"announcing {act.id}", GiveUp):
            self._sns.publish(
                TopicArn=self._topic,
                Subject=announcement.subject,
                Message=json.dumps(message),
                MessageStructure="json",
                MessageAttributes=attributes,
            )


def compose(act: AnnouncingAct, commands: Commands) -> Announcement:
    """Return an act in each form. Raises ValueError for a deployment that has not ended."""
    view = view_of(act, commands)
    return Announcement(
        id=view.id,
        subject=email.subject(view),
        text=email.text(view),
        json=json_form(act, view),
        amazon_q=custom_notification(view),
        attributes={"app": view.app, "outcome": view.outcome, "announcement": view.id},
    )
