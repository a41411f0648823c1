"""One SNS message reaches people as text and programs as JSON, with attributes to filter on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from twinslot.announce.commands import Commands
from twinslot.announce.publish import Announcer, compose
from twinslot.domain.model import (
    Announce,
    Deployment,
    Difference,
    Kind,
    Outcome,
    Phase,
    PhaseEntry,
    UploadOrder,
    Warn,
)
from twinslot.errors import GiveUp, TryAgain

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

ID = "01JD0000000000000000000002"
REFUSED = Deployment(
    ID,
    "shop",
    Kind.UPLOAD,
    UploadOrder("shop/a.jar", "1", 0.0),
    None,
    "somebody",
    Phase.ENDED,
    Outcome.REFUSED,
    (PhaseEntry(Phase.ENDED, 1.0),),
)
COMMANDS = Commands("twinslot-rollback", "twinslot-freeze")
ACT = Announce("act", 1.0, REFUSED, None)


@pytest.fixture
def sns(aws: boto3.Session) -> SNSClient:
    return aws.client("sns")


def test_a_queue_that_filters_on_the_outcome_gets_the_json(aws: boto3.Session, sns: SNSClient) -> None:
    topic = sns.create_topic(Name="announcements")["TopicArn"]
    sqs = aws.client("sqs")
    queues = {}
    for outcome in ("REFUSED", "LIVE"):
        queue = sqs.create_queue(QueueName=outcome)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"outcome": [outcome], "app": ["shop"]})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": policy})
        queues[outcome] = queue
    Announcer(topic, "twinslot-rollback", "twinslot-freeze", sns).publish(ACT)
    (message,) = sqs.receive_message(QueueUrl=queues["REFUSED"])["Messages"]
    body = json.loads(message["Body"])
    assert body["Message"] == compose(ACT, COMMANDS).json
    assert body["Subject"] == "twinslot shop shop/a.jar REFUSED"
    assert {name: value["Value"] for name, value in body["MessageAttributes"].items()} == {
        "app": "shop",
        "outcome": "REFUSED",
        "announcement": ID,
    }
    assert "Messages" not in sqs.receive_message(QueueUrl=queues["LIVE"])


def test_mail_gets_the_text() -> None:
    published: list[dict[str, Any]] = []

    class Recording:
        def publish(self, **request: Any) -> None:
            published.append(request)

    client: Any = Recording()
    Announcer("arn:topic", "twinslot-rollback", "twinslot-freeze", client).publish(ACT)
    announcement = compose(ACT, COMMANDS)
    assert published[0]["TopicArn"] == "arn:topic"
    assert published[0]["MessageStructure"] == "json"
    assert json.loads(published[0]["Message"]) == {
        "default": announcement.json,
        "email": announcement.text,
        "https": announcement.amazon_q,
        "sms": announcement.subject,
    }


@pytest.mark.parametrize(("code", "expected"), [("Throttled", TryAgain), ("NotFound", GiveUp)])
def test_a_refusal_of_sns_is_wrapped(code: str, expected: type[Exception]) -> None:
    class Refusing:
        def publish(self, **_: object) -> None:
            raise ClientError({"Error": {"Code": code}}, "Publish")

    client: Any = Refusing()
    with pytest.raises(expected, match="announcing act"):
        Announcer("arn:topic", "twinslot-rollback", "twinslot-freeze", client).publish(ACT)


def test_a_thousand_hosts_that_differ_fit_into_one_message() -> None:
    sent: list[dict[str, Any]] = []

    class Recorder:
        def publish(self, **message: Any) -> None:
            sent.append(message)

    found = tuple(Difference(f"i-{n:017x}", f"users get {'😀' * 64} (it)") for n in range(1000))
    topic: Any = Recorder()
    Announcer("topic", "rollback", "freeze", topic).publish(Warn("shop/drift-1", 5.0, "shop", found, None))
    message = json.loads(sent[0]["Message"])
    assert "And 970 more hosts." in message["email"]
    assert json.loads(message["default"])["others"] == 970
    assert len(sent[0]["Message"].encode()) < 256 * 1024
