"""The messages of the stack's topics, kept for tests and for people; and a message as a function receives
it."""

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
    """One message: `text` is the e-mail, `data` the JSON for programs, {} when it is not JSON."""

    at: float
    topic_arn: str
    subject: str
    text: str
    data: dict[str, Any]
    attributes: dict[str, str]

    @property
    def tells_an_end(self) -> bool:
        """Return whether it announces the end of a deployment, rather than a start, a freeze or drift."""
        return "seconds" in self.data


class Announcements:
    """All messages so far, in order."""

    def __init__(self, seen: Callable[[Announcement], None]) -> None:
        self._seen = seen
        self._all: list[Announcement] = []
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._all)

    def all(self) -> list[Announcement]:
        """Return all announcements so far, in order."""
        with self._changed:
            return list(self._all)

    def add(self, message: Message) -> None:
        """Keep a published message."""
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
        """Return the first wanted announcement after the first `after`.

        Raises TimeoutError with the subjects instead.
        """
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
                    subjects = "; ".join(each.subject for each in self._all[after:]) or "none"
                    raise TimeoutError(f"no such announcement in {seconds} s; announced: {subjects}")


def lambda_event(message: Message, subscription_arn: str) -> dict[str, Any]:
    """Return what a function gets from SNS (https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html)."""
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
    """Return what a subscription's dead-letter queue gets of an undeliverable message
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
