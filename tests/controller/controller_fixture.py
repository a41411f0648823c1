"""The controller on S3 and SNS as moto has them; its hosts are a fleet that records its orders."""

from __future__ import annotations

import io
import json
import shlex
import zipfile
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import boto3
from twinslot.announce.publish import Announcer
from twinslot.aws.artifacts import Artifacts
from twinslot.aws.parameters import SettingsReader
from twinslot.aws.store import Store
from twinslot.controller import Controller
from twinslot.domain.model import Application, Deployment, HostResult, Step
from twinslot.intake.upload import parse

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

REGION: Literal["eu-central-1"] = "eu-central-1"
BUCKET = "artifacts"


class RecordingFleet:
    """Hosts that carry out each command; `verdicts` sets how a step ends on which host, else well."""

    def __init__(self) -> None:
        self.online: tuple[str, ...] = ("i-0a", "i-0b")
        self.offline: tuple[HostResult, ...] = ()
        self.verdicts: dict[tuple[str, str], bool | None] = {}
        self.sent: list[tuple[str, str, bool]] = []
        self.requested: list[tuple[str, tuple[str, ...]]] = []
        self.reported: tuple[HostResult, ...] = ()
        self.trouble: Exception | None = None
        self.apps: dict[str, str] = {}

    def app_of(self, instance: str) -> str | None:
        return self.apps.get(instance)

    def hosts(self, app: str) -> tuple[tuple[str, ...], tuple[HostResult, ...]]:
        return self.online, self.offline

    def send(self, deployment: Deployment, step: Step, *, repeat: bool) -> str:
        if self.trouble:
            trouble, self.trouble = self.trouble, None
            raise trouble
        self.sent.append((deployment.id, step.name, repeat))
        return f"command-{deployment.id}-{step.name}"

    def request_reports(self, app: str, hosts: tuple[str, ...]) -> str:
        if self.trouble:
            trouble, self.trouble = self.trouble, None
            raise trouble
        self.requested.append((app, hosts))
        return f"report-of-{app}"

    def reports(self, app: str, command: str) -> tuple[HostResult, ...]:
        return self.reported

    def results(self, deployment: Deployment, command: str) -> tuple[HostResult, ...]:
        step = deployment.step.name if deployment.step else ""
        return tuple(
            HostResult(host, self.verdicts.get((host, step), True), "as told") for host in deployment.hosts
        )


@cache
def clients(aws: boto3.Session) -> tuple[S3Client, SQSClient, SNSClient, SSMClient]:
    """Made once: making them takes longer than most tests, and moto answers them in every account."""
    return aws.client("s3"), aws.client("sqs"), aws.client("sns"), aws.client("ssm")


class ControllerFixture:
    """A bucket, a topic with a queue that hears it, the table, and the controller between them."""

    def __init__(self, aws: boto3.Session, dynamodb: DynamoDBClient, table: str) -> None:
        self.now = 1_790_000_000.0
        self.s3, self.sqs, self.sns, self.ssm = clients(aws)
        self.dynamodb = dynamodb
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        topic = self.sns.create_topic(Name="announcements")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        self.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:heard"
        )
        self.fleet = RecordingFleet()
        self.store = Store(table, dynamodb)
        self.announcer = Announcer(topic, "twinslot-rollback", "twinslot-freeze", self.sns)
        self.controller = Controller(
            self.store,
            self.fleet,  # type: ignore[arg-type]  # it records, and is no Fleet
            Artifacts(self.s3),
            self.announcer,
            SettingsReader(self.ssm),
            lambda: self.now,
        )

    def event(self, key: str, body: bytes, **metadata: str) -> dict[str, Any]:
        version = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)["VersionId"]
        self.now += 1
        thing = {"key": key, "size": len(body), "version-id": version, "sequencer": f"{int(self.now):016X}"}
        detail = {"bucket": {"name": BUCKET}, "object": thing, "requester": "123456789012"}
        return {"source": "aws.s3", "time": f"2026-11-22T08:{int(self.now) % 60:02}:00Z", "detail": detail}

    def upload(self, label: str) -> str:
        return self.receive(self.event(f"shop/shop-{label}.jar", jar(label)))

    def receive(self, event: dict[str, Any]) -> str:
        upload = parse(event, "")
        assert upload
        self.controller.upload(upload)
        return upload.id

    def end_step(self) -> None:
        """SSM says that the command under way ended."""
        self.now += 1
        current = self.application().current
        assert current and current.step and current.step.command
        self.controller.command_ended(current.step.command)

    def deploy(self, label: str) -> str:
        deployment = self.upload(label)
        for _ in ("stage", "flip", "bake"):
            self.end_step()
        return deployment

    def application(self) -> Application:
        return self.store.load("shop")

    def told_drift(self) -> list[list[dict[str, str]]]:
        """The differences of every announcement of drift so far."""
        return [body["differences"] for body in self._bodies()]

    def _bodies(self) -> Iterator[dict[str, Any]]:
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(json.loads(message["Body"])["Message"])

    def heard(self) -> list[tuple[str, str]]:
        """(release or key, outcome) of every deployment's end that was announced so far, oldest first."""
        return [
            (body["release"]["label"] if body["release"] else body["key"], body["outcome"])
            for body in self._bodies()
            if body["outcome"] != "STARTED"
        ]

    def way_back(self) -> tuple[str, str]:
        """The app and the target of the newest command to roll back that was announced."""
        *_, command = (body["rollback"] for body in self._bodies() if body.get("rollback"))
        words = shlex.split(command)
        payload = json.loads(words[words.index("--payload") + 1])
        return payload["app"], payload["to"]

    def told(self) -> list[tuple[str, str]]:
        """(announcement, outcome) of all that was announced so far, oldest first."""
        return [(body["announcement"], body["outcome"]) for body in self._bodies()]


def jar(label: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Main-Class: Shop\nImplementation-Version: {label}\n\n")
    return packed.getvalue()
