"""Hosts are named, commanded and judged one by one; SSM's own verdict counts for nothing."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from twinslot.aws import fleet as module
from twinslot.aws.fleet import Fleet, comment, parameters
from twinslot.domain import lifecycle
from twinslot.domain.model import (
    Deployment,
    HostResult,
    Kind,
    Live,
    Phase,
    PhaseEntry,
    Release,
    Settings,
    Step,
    UploadOrder,
    plain,
)
from twinslot.errors import CommandRefused, GiveUp, TryAgain

from tests.controller.conftest import DOCUMENT, NOW, Agents

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient

CONTRACT = Path(__file__).parents[2] / "docs" / "host.md"
ID = "01JD0000000000000000000002"
COMMAND = "11111111-2222-3333-4444-555555555555"
HOSTS = ("i-0000000000000000a", "i-0000000000000000b", "i-0000000000000000c")
NEW = Release("artifacts", "shop/shop-1.4.2.jar", "v2", 20, "1.4.2")
OLD = Release("artifacts", "shop/shop-1.4.1.jar", "v1", 10, "1.4.1", "ab" * 32)
DEPLOYMENT = Deployment(
    id=ID,
    app="shop",
    kind=Kind.UPLOAD,
    order=UploadOrder(NEW.key, "0061", NOW),
    release=NEW,
    by="somebody",
    phase=Phase.STAGING,
    timeline=(PhaseEntry(Phase.STAGING, NOW),),
    fence=7,
    hosts=HOSTS,
    settings=Settings(java_options=("-Dgreeting=ü $(id)",)),
    live_before=Live(OLD, "01JD0000000000000000000001", NOW - 100),
)


def step(name: str, verb: str = "") -> Step:
    return Step(name, verb or name, 1, NOW + 100)


def unpacked(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def launch(ec2: EC2Client, app: str, count: int = 1) -> list[str]:
    tags: Any = [{"ResourceType": "instance", "Tags": [{"Key": "twinslot", "Value": app}]}]
    answer = ec2.run_instances(ImageId="ami-12345678", MinCount=count, MaxCount=count, TagSpecifications=tags)
    return sorted(instance["InstanceId"] for instance in answer["Instances"])


def test_the_hosts_of_an_app_are_its_running_instances_whose_agents_are_online(
    fleet: Fleet, ec2: EC2Client, agents: Agents
) -> None:
    first, second, lost, unknown, stopped, gone = launch(ec2, "shop", 6)
    other = launch(ec2, "billing")[0]
    ec2.stop_instances(InstanceIds=[stopped])
    ec2.terminate_instances(InstanceIds=[gone])
    agents.pings = dict.fromkeys((first, second, stopped, gone, other), "Online") | {lost: "ConnectionLost"}
    online, offline = fleet.hosts("shop")
    assert online == (first, second)
    assert {result.host: result.ok for result in offline} == {lost: False, unknown: False}
    reasons = {result.host: result.reason for result in offline}
    assert reasons[lost] == "its SSM agent is ConnectionLost, not Online; is amazon-ssm-agent running there?"
    assert "not registered with SSM" in reasons[unknown]
    assert agents.asked[0]["Filters"] == [{"Key": "tag:twinslot", "Values": ["shop"]}]


def test_an_app_without_a_tagged_instance_has_no_hosts(fleet: Fleet) -> None:
    assert fleet.hosts("shop") == ((), ())


def test_an_instance_is_of_the_app_that_its_tag_names(fleet: Fleet, ec2: EC2Client) -> None:
    (shop,), (billing,) = launch(ec2, "shop"), launch(ec2, "billing")
    assert (fleet.app_of(shop), fleet.app_of(billing)) == ("shop", "billing")


@pytest.mark.parametrize("tag", ["", "../shop", "Shop", "shop; reboot", "x" * 31, "-"])
def test_an_instance_whose_tag_is_no_apps_name_is_of_none(fleet: Fleet, ec2: EC2Client, tag: str) -> None:
    (instance,) = launch(ec2, tag)
    assert fleet.app_of(instance) is None


def test_an_instance_that_does_not_run_is_of_no_app(fleet: Fleet, ec2: EC2Client) -> None:
    (instance,) = launch(ec2, "shop")
    ec2.terminate_instances(InstanceIds=[instance])
    assert fleet.app_of(instance) is None
    assert fleet.app_of("i-0123456789abcdef0") is None


def test_a_command_goes_by_name_to_the_hosts_of_the_deployment(fleet: Fleet, ssm: SSMClient) -> None:
    command = fleet.send(DEPLOYMENT, step("stage"), repeat=False)
    (sent,) = ssm.list_commands(CommandId=command)["Commands"]
    assert sent["DocumentName"] == DOCUMENT
    assert sorted(sent["InstanceIds"]) == list(HOSTS)
    assert sent["Targets"] == []
    assert sent["Comment"] == f"twinslot {ID} stage"
    assert sent["Parameters"] == parameters(DEPLOYMENT, step("stage"))
    assert (sent["MaxConcurrency"], sent["MaxErrors"], sent["TimeoutSeconds"]) == ("100%", "100%", 60)


def test_the_command_names_the_version_of_its_document() -> None:
    recorded: list[dict[str, Any]] = []

    class Recording:
        def send_command(self, **request: Any) -> Any:
            recorded.append(request)
            return {"Command": {"CommandId": COMMAND}}

    client: Any = Recording()
    assert Fleet(DOCUMENT, "3", client, client).send(DEPLOYMENT, step("flip"), repeat=False) == COMMAND
    assert recorded[0]["DocumentVersion"] == "3"


def test_more_hosts_than_ssm_takes_by_name_are_targeted_by_their_tag(fleet: Fleet, ssm: SSMClient) -> None:
    many = replace(DEPLOYMENT, hosts=tuple(f"i-{number:017x}" for number in range(51)))
    command = fleet.send(many, step("stage"), repeat=False)
    (sent,) = ssm.list_commands(CommandId=command)["Commands"]
    assert sent["Targets"] == [{"Key": "tag:twinslot", "Values": ["shop"]}]


def test_a_repeat_adopts_the_command_that_was_sent_for_this_step(fleet: Fleet, ssm: SSMClient) -> None:
    staged = fleet.send(DEPLOYMENT, step("stage"), repeat=False)
    flipped = fleet.send(DEPLOYMENT, step("flip"), repeat=False)
    assert fleet.send(DEPLOYMENT, step("stage"), repeat=True) == staged
    assert fleet.send(DEPLOYMENT, step("flip"), repeat=True) == flipped
    assert len(ssm.list_commands()["Commands"]) == 2


def test_a_repeat_of_what_was_never_sent_is_sent(fleet: Fleet, ssm: SSMClient) -> None:
    fleet.send(DEPLOYMENT, step("stage"), repeat=False)
    fleet.send(replace(DEPLOYMENT, id="01JD0000000000000000000003"), step("stage"), repeat=True)
    fleet.send(DEPLOYMENT, step("revert-2", "flip"), repeat=True)
    assert len(ssm.list_commands()["Commands"]) == 3


def test_the_parameters_of_a_stage_are_those_of_the_contract() -> None:
    given = parameters(DEPLOYMENT, step("stage"))
    assert {name: given[name] for name in ("verb", "app", "step", "deployment", "fence", "previous")} == {
        "verb": ["stage"],
        "app": ["shop"],
        "step": ["stage"],
        "deployment": [ID],
        "fence": ["7"],
        "previous": [""],
    }
    assert given["release"] == [
        "eyJidWNrZXQiOiJhcnRpZmFjdHMiLCJrZXkiOiJzaG9wL3Nob3AtMS40LjIuamFyIiwidmVyc2lvbiI6InYyIiwic2l6ZSI6MjAs"
        "ImxhYmVsIjoiMS40LjIiLCJzaGEyNTYiOm51bGx9"
    ]
    assert unpacked(given["release"][0]) == plain(NEW)
    assert unpacked(given["settings"][0]) == plain(DEPLOYMENT.settings) | {
        "java_options": ["-Dgreeting=ü $(id)"]
    }


def test_every_parameter_fits_the_pattern_of_the_contract() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (`[^`]+`|the same) \|", CONTRACT.read_text(), re.MULTILINE)
    patterns: dict[str, str] = {}
    for name, cell in rows:
        patterns[name] = patterns["release"] if cell == "the same" else cell.strip("`").replace(r"\|", "|")
    for name, verb in (("stage", "stage"), ("flip", "flip"), ("bake", "bake"), ("revert-3", "flip")):
        given = parameters(DEPLOYMENT, step(name, verb))
        assert list(given) == [name for name in patterns if name not in ("slot", "lines")]
        for parameter, (value,) in given.items():
            assert re.fullmatch(patterns[parameter], value), parameter


def test_a_bake_knows_the_release_before() -> None:
    given = parameters(DEPLOYMENT, step("bake"))
    assert unpacked(given["release"][0]) == plain(NEW)
    assert unpacked(given["previous"][0]) == plain(OLD)
    assert parameters(replace(DEPLOYMENT, live_before=None), step("bake"))["previous"] == [""]


@pytest.mark.parametrize("name", ["revert", "revert-2"])
def test_a_revert_flips_to_the_release_before(name: str) -> None:
    given = parameters(DEPLOYMENT, step(name, "flip"))
    assert (given["verb"], given["step"]) == (["flip"], [name])
    assert unpacked(given["release"][0]) == plain(OLD)


def test_a_step_without_a_release_is_never_sent(fleet: Fleet, ssm: SSMClient) -> None:
    with pytest.raises(CommandRefused, match="has no release"):
        fleet.send(replace(DEPLOYMENT, live_before=None), step("revert", "flip"), repeat=False)
    assert ssm.list_commands()["Commands"] == []


def test_a_comment_fits_into_ssm() -> None:
    assert len(comment(DEPLOYMENT, step("revert-3", "flip"))) <= 100


def test_the_lifecycle_allows_as_long_for_delivery_as_ssm_does() -> None:
    assert module.DELIVERY_SECONDS == lifecycle.DELIVERY_SECONDS


STEPPING = replace(DEPLOYMENT, step=replace(step("stage"), command=COMMAND))
REPORT: dict[str, Any] = {
    "twinslot": 1,
    "app": "shop",
    "verb": "stage",
    "step": "stage",
    "deployment": ID,
    "fence": 7,
    "ok": True,
    "reason": "",
    "log": [],
    "live": "blue",
    "standby": False,
    "slots": {},
    "sha256": None,
    "seconds": {},
}


def report(host: str, **changes: object) -> str:
    return json.dumps(REPORT | {"host": host} | changes)


def test_every_expected_host_has_a_result_in_order_and_no_other_host_has(
    fleet: Fleet, agents: Agents
) -> None:
    agents.did(COMMAND, "i-0000000000000000f", "Success", report("i-0000000000000000f"))
    agents.did(COMMAND, HOSTS[2], "Success", report(HOSTS[2]))
    agents.did(COMMAND, HOSTS[0], "Failed", report(HOSTS[0], ok=False, reason="port taken", log=["a", "b"]))
    first, second, third = fleet.results(STEPPING, COMMAND)
    assert (first.host, first.ok, first.reason, first.log) == (HOSTS[0], False, "port taken", ("a", "b"))
    assert second == HostResult(HOSTS[1], None)
    assert (third.host, third.ok) == (HOSTS[2], True)
    assert third.report
    assert third.report.live == "blue"
    assert all(asked["Details"] for asked in agents.asked)
    assert len(agents.asked) == 2


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Delayed", "Cancelling"])
def test_a_host_that_is_not_done_has_no_verdict(fleet: Fleet, agents: Agents, status: str) -> None:
    agents.did(COMMAND, HOSTS[0], status)
    assert fleet.results(STEPPING, COMMAND)[0] == HostResult(HOSTS[0], None)


def test_a_command_that_ssm_does_not_list_yet_is_under_way(fleet: Fleet) -> None:
    assert [result.ok for result in fleet.results(STEPPING, COMMAND)] == [None, None, None]


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("TimedOut", "Delivery Timed Out", "did not take the command within 60 s; is it running?"),
        ("TimedOut", "DeliveryTimedOut", "did not take the command within 60 s; is it running?"),
        ("TimedOut", "Execution Timed Out", "ran for longer than its document allows"),
        ("TimedOut", "", "timed out"),
        ("Cancelled", "Cancelled", "was cancelled"),
        ("Failed", "Undeliverable", "could not deliver"),
        ("Cancelled", "Terminated", "SSM gave up"),
        ("Failed", "Access Denied", "has no permission to command this host"),
        ("Failed", "Invalid Platform", "platform"),
        ("Failed", "Failed", "the command failed"),
        ("Failed", "Something \x1b New", "ended with the status Something"),
    ],
)
def test_a_host_without_a_report_is_explained_by_its_status(
    fleet: Fleet, agents: Agents, status: str, details: str, expected: str
) -> None:
    agents.did(COMMAND, HOSTS[0], status, details=details)
    result = fleet.results(STEPPING, COMMAND)[0]
    assert result.ok is False
    assert expected in result.reason
    assert result.reason.isprintable()


def test_a_host_that_reports_ok_but_failed_has_failed(fleet: Fleet, agents: Agents) -> None:
    agents.did(COMMAND, HOSTS[0], "Failed", report(HOSTS[0]))
    result = fleet.results(STEPPING, COMMAND)[0]
    assert (result.ok, result.reason) == (False, "the command failed")


def test_a_host_that_reports_a_failure_but_succeeded_has_failed(fleet: Fleet, agents: Agents) -> None:
    agents.did(COMMAND, HOSTS[0], "Success", report(HOSTS[0], ok=False, reason="no"))
    result = fleet.results(STEPPING, COMMAND)[0]
    assert (result.ok, result.reason) == (False, "no")


@pytest.mark.parametrize(
    "output",
    [
        "",
        "hello",
        report(HOSTS[1]),
        report(HOSTS[0], step="flip"),
        report(HOSTS[0])[:-9],
        report(HOSTS[0], ok="yes"),
    ],
)
@pytest.mark.parametrize("status", ["Success", "Failed"])
def test_a_host_whose_report_cannot_be_believed_has_failed(
    fleet: Fleet, agents: Agents, status: str, output: str
) -> None:
    agents.did(COMMAND, HOSTS[0], status, output)
    result = fleet.results(STEPPING, COMMAND)[0]
    assert result.ok is False
    assert result.reason
    assert result.report is None


def test_a_killed_host_is_explained_by_both_its_status_and_what_it_printed(
    fleet: Fleet, agents: Agents
) -> None:
    agents.did(COMMAND, HOSTS[0], "TimedOut", "half a rep", "Execution Timed Out")
    reason = fleet.results(STEPPING, COMMAND)[0].reason
    assert "ran for longer" in reason
    assert '"half a rep"' in reason


def test_a_requested_report_belongs_to_no_deployment(fleet: Fleet, ssm: SSMClient, ec2: EC2Client) -> None:
    hosts = tuple(launch(ec2, "shop", 2))
    command = fleet.request_reports("shop", hosts)
    (sent,) = ssm.list_commands(CommandId=command)["Commands"]
    assert sent["Parameters"] == {"verb": ["report"], "app": ["shop"], "step": ["report"]}
    assert sorted(sent["InstanceIds"]) == sorted(hosts)


def test_a_report_is_believed_of_the_host_that_gave_it(fleet: Fleet, agents: Agents) -> None:
    said = json.loads(report(HOSTS[0])) | {"verb": "report", "step": "report", "deployment": ""}
    agents.did(COMMAND, HOSTS[0], "Success", json.dumps(said))
    agents.did(COMMAND, HOSTS[1], "Success", json.dumps(said))
    true, lie = fleet.reports("shop", COMMAND)
    assert true.ok
    assert (lie.ok, lie.report) == (False, None)


class Refusing:
    """A client of which every call fails with this error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def send_command(self, **_: object) -> None:
        raise self.error

    def get_paginator(self, _: str) -> Refusing:
        return self

    def paginate(self, **_: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "SendCommand"), False),
        (ClientError({"Error": {"Code": "RequestLimitExceeded"}}, "DescribeInstances"), False),
        (ClientError({"Error": {"Code": "InternalServerError"}}, "SendCommand"), False),
        (ReadTimeoutError(endpoint_url="https://ssm"), False),
        (ClientError({"Error": {"Code": "InvalidInstanceId"}}, "SendCommand"), True),
        (ClientError({"Error": {"Code": "InvalidDocument"}}, "SendCommand"), True),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "SendCommand"), True),
    ],
)
def test_an_error_of_the_client_is_wrapped_by_whether_it_may_pass(error: Exception, refused: bool) -> None:
    client: Any = Refusing(error)
    refusing = Fleet(DOCUMENT, "1", client, client)
    with pytest.raises(
        CommandRefused if refused else TryAgain, match="sending stage to the hosts of shop"
    ) as raised:
        refusing.send(DEPLOYMENT, step("stage"), repeat=False)
    assert raised.value.__cause__ is error
    with pytest.raises(GiveUp if refused else TryAgain, match="looking for the hosts of shop"):
        refusing.hosts("shop")
    with pytest.raises(GiveUp if refused else TryAgain, match="reading the results of the command"):
        refusing.results(STEPPING, COMMAND)
