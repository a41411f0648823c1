"""What the stack's topics said: kept for tests and for people to read; and how a function hears of a
message."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab.sandbox.stack.moto_hooks import Message


@dataclass(frozen=True)
class Announcement:
    """One message: `text` is what a person gets by e-mail, `data` what a program gets, {} when that is no
    JSON."""

    at: float
    topic_arn: str
    subject: str
    text: str
    data: dict[str, Any]
    attributes: dict[str, str]

    @property
    def tells_an_end(self) -> bool:
        """Whether it is the outcome of a deployment, and not its start, nor of a hold or a drift."""
        return "seconds" in self.data


class Announcements:
    """Every message so far, in order."""

    def __init__(self, seen: Callable[[Announcement], None]) -> None:
        self._seen = seen
        self._all: list[Announcement] = []
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._all)

    def all(self) -> list[Announcement]:
        """Every announcement so far, in order."""
        with self._changed:
            return list(self._all)

    def add(self, message: Message) -> None:
        """Take what was published, whatever it says."""
        try:
            data = json.loads(message.text_for("default"))
        except ValueError:
            data = {}
        announcement = Announcement(
            time.time(),
            message.topic_arn,
            message.subject or "",
            message.text_for("email"),
            data if isinstance(data, dict) else {},
            {name: value for name, (_, value) in message.attributes.items()},
        )
        with self._changed:
            self._all.append(announcement)
            self._changed.notify_all()
        self._seen(announcement)

    def wait_for(
        self, wanted: Callable[[Announcement], bool], seconds: float, after: int = 0
    ) -> Announcement:
        """The first that is wanted, of those after the first `after`. Raises TimeoutError that tells what
        came."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for announcement in self._all[after:]:
                    if wanted(announcement):
                        return announcement
                if (
                    not self._changed.wait(max(0.0, deadline - time.monotonic()))
                    and time.monotonic() > deadline
                ):
                    came = "; ".join(each.subject for each in self._all[after:]) or "nothing"
                    raise TimeoutError(f"no such announcement in {seconds} s; what came: {came}")


def lambda_event(message: Message, subscription_arn: str) -> dict[str, Any]:
    """What a function gets from SNS (https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html)."""
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "EventSource": "aws:sns",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": message.id,
                    "TopicArn": message.topic_arn,
                    "Subject": message.subject,
                    "Message": message.text_for("lambda"),
                    "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "SignatureVersion": "1",
                    "Signature": "sandbox",
                    "SigningCertUrl": "https://sns.invalid/certificate.pem",
                    "UnsubscribeUrl": "https://sns.invalid/unsubscribe",
                    "MessageAttributes": {
                        name: {"Type": kind, "Value": value}
                        for name, (kind, value) in message.attributes.items()
                    },
                },
            }
        ]
    }


def redriven(message: Message) -> dict[str, Any]:
    """What a subscription's dead-letter queue gets of a message that could not be delivered to a function
    (https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html)."""
    return {
        "Type": "Notification",
        "MessageId": message.id,
        "TopicArn": message.topic_arn,
        "Subject": message.subject,
        "Message": message.text_for("lambda"),
        "MessageAttributes": {
            name: {"Type": kind, "Value": value} for name, (kind, value) in message.attributes.items()
        },
    }
