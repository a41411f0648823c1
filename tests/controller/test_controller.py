"""The controller on DynamoDB, S3 and SNS as moto has them; its hosts are a fleet that records its orders."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import pytest
from moto import mock_aws
from twinslot.announcements import Announcer
from twinslot.artifacts import Artifacts
from twinslot.controller import Controller
from twinslot.errors import (
    CommandRefused,
    LostRace,
    NothingToRollBackTo,
    TryAgain,
    UnknownApp,
    UnknownCommand,
)
from twinslot.lifecycle import LEASE_SECONDS
from twinslot.model import (
    NOBODY,
    Application,
    Decision,
    Deployment,
    HostReport,
    HostResult,
    Kind,
    Outcome,
    SlotReport,
    Step,
)
from twinslot.settings import SettingsReader
from twinslot.store import Store
from twinslot.upload import parse

from tests.controller.conftest import TABLE, dynamodb_client, make_table, session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

REGION: Literal["eu-central-1"] = "eu-central-1"
BUCKET = "artifacts"


class Power(Exception):
    """The function died here."""


class RecordingFleet:
    """Hosts that do as they are told; `verdicts` says how a step ends on which host, else well."""

    def __init__(self) -> None:
        self.online: tuple[str, ...] = ("i-0a", "i-0b")
        self.offline: tuple[HostResult, ...] = ()
        self.verdicts: dict[tuple[str, str], bool | None] = {}
        self.sent: list[tuple[str, str, bool]] = []
        self.asked: list[tuple[str, tuple[str, ...]]] = []
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

    def ask(self, app: str, hosts: tuple[str, ...]) -> str:
        if self.trouble:
            trouble, self.trouble = self.trouble, None
            raise trouble
        self.asked.append((app, hosts))
        return f"report-of-{app}"

    def reports(self, app: str, command: str) -> tuple[HostResult, ...]:
        return self.reported

    def results(self, deployment: Deployment, command: str) -> tuple[HostResult, ...]:
        step = deployment.step.name if deployment.step else ""
        return tuple(
            HostResult(host, self.verdicts.get((host, step), True), "as told") for host in deployment.hosts
        )


@cache
def clients() -> tuple[S3Client, SQSClient, SNSClient, SSMClient, DynamoDBClient]:
    """Made once: making them takes longer than most tests, and moto answers them in every account."""
    made = session()
    return (
        made.client("s3"),
        made.client("sqs"),
        made.client("sns"),
        made.client("ssm"),
        dynamodb_client(),
    )


class House:
    """A bucket, a table, a topic with a queue that hears it, and the controller between them."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0
        self.s3, self.sqs, self.sns, self.ssm, self.dynamodb = clients()
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        topic = self.sns.create_topic(Name="announcements")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        self.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:heard"
        )
        make_table(self.dynamodb)
        self.fleet = RecordingFleet()
        self.store = Store(TABLE, self.dynamodb)
        self.announcer = Announcer(topic, "twinslot-rollback", "twinslot-hold", self.sns)
        self.controller = Controller(
            self.store,
            self.fleet,  # type: ignore[arg-type]
            Artifacts(self.s3),
            self.announcer,
            SettingsReader(self.ssm),
            lambda: self.now,
        )

    def event(self, key: str, body: bytes) -> dict[str, Any]:
        version = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
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
        """(release or key, outcome) of every deployment's end that was told so far, oldest first."""
        return [
            (body["release"]["label"] if body["release"] else body["key"], body["outcome"])
            for body in self._bodies()
            if body["outcome"] != "STARTED"
        ]

    def told(self) -> list[tuple[str, str]]:
        """(announcement, outcome) of all that was told so far, oldest first."""
        return [(body["announcement"], body["outcome"]) for body in self._bodies()]


def jar(label: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Main-Class: Shop\nImplementation-Version: {label}\n\n")
    return packed.getvalue()


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield House()


def test_an_upload_goes_live_in_three_commands_and_is_announced_once(house: House) -> None:
    deployment = house.deploy("1.0.0")
    assert house.fleet.sent == [(deployment, step, False) for step in ("stage", "flip", "bake")]
    assert house.heard() == [("1.0.0", "LIVE")]
    assert house.store.busy_apps() == ()


def test_a_file_that_is_no_jar_is_refused_and_announced(house: House) -> None:
    house.receive(house.event("shop/notes.jar", b"just text"))
    assert house.heard() == [("shop/notes.jar", "REFUSED")]
    assert house.fleet.sent == []


def test_a_key_that_names_no_app_is_refused_under_nobody(house: House) -> None:
    deployment = house.receive(house.event("Shop $(x)/a.jar", jar("1.0.0")))
    refused = house.store.deployment(NOBODY, deployment)
    assert refused and refused.outcome is Outcome.REFUSED
    assert [outcome for _, outcome in house.heard()] == ["REFUSED"]


def test_an_object_that_was_deleted_before_it_was_read_is_refused(house: House) -> None:
    event = house.event("shop/shop-1.jar", jar("1"))
    house.s3.delete_object(
        Bucket=BUCKET, Key="shop/shop-1.jar", VersionId=event["detail"]["object"]["version-id"]
    )
    house.receive(event)
    assert [outcome for _, outcome in house.heard()] == ["REFUSED"]


def test_the_same_event_again_is_the_same_deployment_also_after_its_end(house: House) -> None:
    event = house.event("shop/shop-1.0.0.jar", jar("1.0.0"))
    house.receive(event)
    house.receive(event)
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    house.receive(event)
    assert house.heard() == [("1.0.0", "LIVE")]
    assert len(house.store.history("shop", 10)) == 1


def test_a_refusal_that_is_repeated_is_announced_once(house: House) -> None:
    event = house.event("shop/notes.jar", b"just text")
    house.receive(event)
    house.receive(event)
    assert len(house.heard()) == 1


def test_settings_that_cannot_be_used_refuse_the_deployment_by_name(house: House) -> None:
    house.ssm.put_parameter(Name="/twinslot/apps/shop", Type="String", Value='{"bake_secs": 3}')
    deployment = house.upload("1.0.0")
    refused = house.store.deployment("shop", deployment)
    assert refused and refused.failure and "bake_secs" in refused.failure.reason
    assert house.heard() == [("1.0.0", "REFUSED")]


def test_a_rollback_names_its_deployment_where_it_goes_and_what_was_live(house: House) -> None:
    house.deploy("1.0.0")
    second = house.deploy("1.1.0")
    rollback = house.controller.rollback("shop", None, "ann", "request-1")
    assert rollback.to == "1.0.0"
    assert rollback.was_live and rollback.was_live.deployment == second
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    assert house.heard()[-1] == ("1.0.0", "LIVE")


def test_a_rollback_that_lambda_delivers_once_more_is_not_taken_back(house: House) -> None:
    house.deploy("1.0.0")
    house.deploy("1.1.0")
    house.controller.rollback("shop", None, "ann", "request-1")
    house.now += 1
    house.controller.rollback("shop", None, "ann", "request-1")
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    house.now += 60
    house.controller.rollback("shop", None, "ann", "request-1")
    assert house.application().current is None
    assert [outcome for _, outcome in house.heard()] == ["LIVE", "LIVE", "LIVE"]
    live = house.application().live
    assert live and live.release.label == "1.0.0"


@pytest.mark.parametrize("by_label", [True, False])
def test_a_rollback_goes_to_any_release_that_was_live(house: House, by_label: bool) -> None:
    first = house.deploy("1.0.0")
    house.deploy("1.1.0")
    house.deploy("1.2.0")
    rollback = house.controller.rollback("shop", "1.0.0" if by_label else first, "ann", "request-1")
    assert rollback.to == "1.0.0"


def test_a_rollback_to_what_was_never_live_is_an_error_that_names_it(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.verdicts["i-0a", "stage"] = False
    house.upload("1.1.0")
    house.end_step()
    with pytest.raises(NothingToRollBackTo, match=r"shop: no release '1\.1\.0' was ever live"):
        house.controller.rollback("shop", "1.1.0", "ann", "request-1")
    assert house.application().current is None


def test_a_command_that_nobody_recorded_is_to_be_tried_again(house: House) -> None:
    with pytest.raises(UnknownCommand):
        house.controller.command_ended("0b3dd4a0-0000-0000-0000-000000000000")


def test_a_tick_finds_what_no_event_told(house: House) -> None:
    house.upload("1.0.0")
    for _ in ("stage", "flip", "bake"):
        house.now += 1
        house.controller.tick()
    assert house.heard() == [("1.0.0", "LIVE")]


def test_a_tick_finds_the_host_that_never_answers(house: House) -> None:
    house.upload("1.0.0")
    house.fleet.verdicts["i-0b", "stage"] = None
    house.now += 3600
    house.controller.tick()
    failed = house.store.history("shop", 1)[0]
    assert failed.outcome is Outcome.FAILED
    assert failed.failure and failed.failure.host == "i-0b"


def test_a_command_is_sent_by_the_tick_when_the_function_died_before_sending_it(house: House) -> None:
    house.fleet.trouble = Power()
    with pytest.raises(Power):
        house.upload("1.0.0")
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert [(step, repeat) for _, step, repeat in house.fleet.sent] == [("stage", True)]


def test_a_command_whose_sending_was_not_saved_is_looked_for_before_it_is_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = house.store.save

    def dies_with_the_command(before: Application, decision: Decision) -> Application:
        if decision.commands:
            raise Power
        return save(before, decision)

    monkeypatch.setattr(house.store, "save", dies_with_the_command)
    with pytest.raises(Power):
        house.upload("1.0.0")
    monkeypatch.setattr(house.store, "save", save)
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert [(step, repeat) for _, step, repeat in house.fleet.sent] == [("stage", False), ("stage", True)]


def test_an_announcement_that_sns_throttles_is_made_by_the_tick(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(act: object) -> None:
        raise TryAgain("slower, please")

    with monkeypatch.context() as patched:
        patched.setattr(house.announcer, "publish", throttled)
        house.receive(house.event("shop/notes.jar", b"just text"))
    assert house.heard() == []
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert [outcome for _, outcome in house.heard()] == ["REFUSED"]


def test_a_command_that_ssm_refuses_fails_the_deployment(house: House) -> None:
    house.fleet.trouble = CommandRefused("no such document")
    house.upload("1.0.0")
    assert house.heard() == [("1.0.0", "FAILED")]


def test_a_controller_that_loses_the_race_decides_again_on_what_the_other_wrote(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = house.store.save
    other = house.event("shop/other.jar", jar("2.0.0"))
    raced: list[bool] = []

    def another_saves_first(before: Application, decision: Decision) -> Application:
        if not raced:
            raced.append(True)
            house.receive(other)
        return save(before, decision)

    event = house.event("shop/shop-1.0.0.jar", jar("1.0.0"))
    event["time"] = "2026-11-22T09:59:00Z"
    monkeypatch.setattr(house.store, "save", another_saves_first)
    house.receive(event)
    application = house.application()
    assert (
        application.current and application.current.release and application.current.release.label == "2.0.0"
    )
    assert (
        application.waiting and application.waiting.release and application.waiting.release.label == "1.0.0"
    )


def test_a_controller_that_loses_against_many_others_still_tells_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, lost = house.store.save, Counter[str]()

    def lose_often(before: Application, decision: Decision) -> Application:
        for act in {act.id for act in before.outbox} - {act.id for act in decision.application.outbox}:
            lost[act] += 1
            if lost[act] <= 40:
                raise LostRace("another was first")
        return save(before, decision)

    monkeypatch.setattr(house.store, "save", lose_often)
    deployment = house.deploy("1.0.0")
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert house.told() == [(f"{deployment}/started", "STARTED"), (deployment, "LIVE")]
    assert lost[f"{deployment}/announce"] == 41


def test_one_apps_trouble_does_not_keep_the_clock_from_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.upload("1.0.0")
    house.receive(house.event("cart/cart-1.0.0.jar", jar("1.0.0")))
    results = house.fleet.results

    def cart_is_broken(deployment: Deployment, command: str) -> tuple[HostResult, ...]:
        if deployment.app == "cart":
            raise Power
        return results(deployment, command)

    monkeypatch.setattr(house.fleet, "results", cart_is_broken)
    with pytest.raises(Power):
        house.controller.tick()
    current = house.application().current
    assert current and current.step and current.step.name == "flip"


def test_one_bad_host_of_two_takes_both_back(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.verdicts["i-0b", "bake"] = False
    second = house.upload("1.1.0")
    for _ in ("stage", "flip", "bake", "revert"):
        house.end_step()
    assert house.fleet.sent[-1] == (second, "revert", False)
    assert house.heard()[-1] == ("1.1.0", "REVERTED")
    live = house.application().live
    assert live and live.release.label == "1.0.0"


def test_an_inspection_asks_the_hosts_of_apps_on_which_nothing_is_under_way(house: House) -> None:
    house.deploy("1.0.0")
    house.controller.inspect()
    assert house.fleet.asked == [("shop", ("i-0a", "i-0b"))]
    house.upload("1.1.0")
    house.controller.inspect()
    assert len(house.fleet.asked) == 1


def test_a_host_that_cannot_be_asked_is_told_of_once(house: House) -> None:
    house.deploy("1.0.0")
    house.heard()
    house.fleet.online = ("i-0a",)
    house.fleet.offline = (HostResult("i-0b", False, "its agent is gone"),)
    house.controller.inspect()
    house.controller.inspect()
    assert house.told_drift() == [[{"host": "i-0b", "what": "its agent is gone"}]]


def test_a_host_that_is_not_as_the_table_says_is_told_of_and_its_report_kept(house: House) -> None:
    house.deploy("1.0.0")
    house.heard()
    live = house.application().live
    assert live
    slots = {"green": SlotReport(live.release.sha256, "1.0.0", "failed", False, 0)}
    said = HostReport(
        "i-0a", "shop", "report", "report", "", 0, True, "", (), "green", False, slots, None, {}
    )
    house.fleet.reported = (HostResult("i-0a", True, report=said),)
    house.controller.hosts_reported("shop", "report-of-shop")
    ((difference,),) = house.told_drift()
    assert difference["host"] == "i-0a"
    assert "is gone (failed)" in difference["what"]
    kept = house.dynamodb.get_item(
        TableName="twinslot", Key={"pk": {"S": "APP#shop"}, "sk": {"S": "HOST#i-0a"}}
    )
    assert kept["Item"]["verb"] == {"S": "report"}


def test_a_saved_application_reads_as_it_was(house: House) -> None:
    house.deploy("1.0.0")
    house.upload("1.1.0")
    application = house.application()
    saved = house.store.save(application, Decision(replace(application, fence=99)))
    assert house.application() == saved


def test_a_start_is_told_once_before_the_end(house: House) -> None:
    deployment = house.deploy("1.0.0")
    assert house.told() == [(f"{deployment}/started", "STARTED"), (deployment, "LIVE")]


def test_a_start_that_sns_does_not_take_delays_nothing_and_a_tick_tells_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(house.announcer, "publish", refuse)
        deployment = house.upload("1.0.0")
    assert house.fleet.sent == [(deployment, "stage", False)]
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert (f"{deployment}/started", "STARTED") in house.told()


def test_a_start_that_was_not_told_before_the_end_is_dropped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(house.announcer, "publish", refuse)
        deployment = house.deploy("1.0.0")
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert house.told() == [(deployment, "LIVE")]


def refuse(act: object) -> None:
    raise TryAgain("SNS is away")


def test_while_an_app_is_held_uploads_wait_and_resuming_makes_the_newest_live(house: House) -> None:
    house.deploy("1.0.0")
    held = house.controller.hold("shop", "the database is moved", "ann")
    assert (held.held, held.was_held, held.since) == (True, False, house.now)
    house.upload("1.1.0")
    house.upload("1.2.0")
    assert house.store.busy_apps() == ()
    again = house.controller.hold("shop", "the database is moved", "bob")
    assert (again.was_held, again.since) == (True, held.since)
    assert again.waiting and again.waiting.release and again.waiting.release.label == "1.2.0"
    resumed = house.controller.resume("shop", "bob")
    assert (resumed.held, resumed.was_held, resumed.waiting) == (False, True, again.waiting)
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    assert not house.controller.resume("shop", "bob").was_held
    assert [outcome for _, outcome in house.told()] == [
        "STARTED",
        "LIVE",
        "HELD",
        "SUPERSEDED",
        "RESUMED",
        "STARTED",
        "LIVE",
    ]


def test_an_app_that_no_upload_ever_named_cannot_be_held(house: House) -> None:
    with pytest.raises(UnknownApp):
        house.controller.hold("shpo", "typo", "ann")
    assert house.store.load("shpo").version == 0


def empty(host: str) -> HostResult:
    """What a host without a release says."""
    slots = {name: SlotReport(None, None, "inactive", False, 0) for name in ("blue", "green")}
    said = HostReport(host, "shop", "report", "report", "", 0, True, "", (), None, False, slots, None, {})
    return HostResult(host, True, report=said)


def appears(house: House, host: str) -> None:
    """A host that was prepared is told of, asked, and says that it holds nothing."""
    house.fleet.apps[host] = "shop"
    house.fleet.online += (host,)
    house.controller.host_ready(host)
    assert house.fleet.asked[-1] == ("shop", (host,))
    house.fleet.reported = (empty(host),)
    house.controller.hosts_reported("shop", "report-of-shop")


def test_a_new_host_joins_what_is_live(house: House) -> None:
    first = house.deploy("1.0.0")
    appears(house, "i-0c")
    current = house.application().current
    assert current and (current.kind, current.hosts) == (Kind.JOIN, ("i-0c",))
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    assert [sent[:2] for sent in house.fleet.sent[-3:]] == [
        (current.id, step) for step in ("stage", "flip", "bake")
    ]
    live = house.application().live
    assert live and live.deployment == first
    assert house.told()[2:] == [(f"{current.id}/started", "STARTED"), (current.id, "LIVE")]
    with pytest.raises(NothingToRollBackTo):
        house.controller.rollback("shop", current.id, "ann", "request-1")


def test_a_host_whose_event_was_lost_joins_by_an_inspection(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.online += ("i-0c",)
    house.controller.inspect()
    house.fleet.reported = (empty("i-0c"),)
    house.controller.hosts_reported("shop", "report-of-shop")
    current = house.application().current
    assert current and current.hosts == ("i-0c",)


def test_a_new_host_during_a_deployment_joins_after_it(house: House) -> None:
    house.deploy("1.0.0")
    house.upload("1.1.0")
    appears(house, "i-0c")
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    current = house.application().current
    assert current and current.release and (current.kind, current.release.label) == (Kind.JOIN, "1.1.0")


@pytest.mark.parametrize("app", [None, "billing"])
def test_an_instance_of_no_app_or_of_one_without_a_live_release_is_asked_nothing(
    house: House, app: str | None
) -> None:
    if app:
        house.fleet.apps["i-0c"] = app
    house.controller.host_ready("i-0c")
    assert house.fleet.asked == []


def test_a_new_host_that_ssm_does_not_take_a_command_for_is_left_to_the_inspection(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.apps["i-0c"] = "shop"
    house.fleet.trouble = CommandRefused("InvalidInstanceId")
    house.controller.host_ready("i-0c")
    assert house.application().current is None
    house.fleet.trouble = TryAgain("throttled")
    with pytest.raises(TryAgain):
        house.controller.host_ready("i-0c")
