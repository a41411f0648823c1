"""Instances of a stack, and State Manager: what it runs on whom, and how it tells."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.sandbox.account import Account, Listener, Pace
from lab.sandbox.api.requests import ApiError
from lab.sandbox.services.state_manager import CHANGED, Association

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Document:
    Type: AWS::SSM::Document
    Properties:
      Name: try
      DocumentType: Command
      Content:
        schemaVersion: "2.2"
        parameters: {word: {type: String, interpolationType: ENV_VAR, allowedPattern: "^[a-z]+$"}}
        mainSteps:
          - {action: "aws:runShellScript", name: s, inputs: {runCommand: ["echo $SSM_word"]}}
  Association:
    Type: AWS::SSM::Association
    Properties:
      Name: !Ref Document
      DocumentVersion: $LATEST
      Targets: [{Key: tag-key, Values: [twinslot]}]
      Parameters: {word: [hello]}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: ec2.amazonaws.com}}]
  Profile:
    Type: AWS::IAM::InstanceProfile
    Properties: {Roles: [!Ref Role]}
  Template:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateName: try
      LaunchTemplateData:
        ImageId: resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64
        IamInstanceProfile: {Arn: !GetAtt Profile.Arn}
        TagSpecifications: [{ResourceType: instance, Tags: [{Key: twinslot, Value: shop}]}]
  Host:
    Type: AWS::EC2::Instance
    Properties:
      LaunchTemplate: {LaunchTemplateId: !Ref Template, Version: "1"}
Outputs:
  Address: {Value: !GetAtt Host.PublicIp}
  Instance: {Value: !Ref Host}
"""

DONE = {"stdout": "hello\n", "stderr": "", "exit_code": 0, "cancelled": False, "timed_out": False}
FIXTURE = Path(__file__).parents[2] / "events" / "ssm-association.json"


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]) -> Iterator[Account]:
    project = tmp_path_factory.mktemp("project")
    (project / "template.yaml").write_text(TEMPLATE)
    account = Account(
        "127.0.0.1", project / "template.yaml", {}, project, Pace(), Listener(event=events.append)
    )
    yield account
    account.close()


@pytest.fixture
def launched(aws: Account, events: list[dict[str, Any]]) -> Iterator[str]:
    """One more instance, whose agent has not asked yet; no event has come."""
    instance = launch(aws, {"twinslot": "shop"})
    events.clear()
    yield instance
    aws.run_command.forget(instance)


def launch(aws: Account, tags: dict[str, str]) -> str:
    borne = [{"Key": key, "Value": value} for key, value in tags.items()]
    specification = [{"ResourceType": "instance", "Tags": borne}] if borne else []
    made = aws.client("ec2").run_instances(
        ImageId="ami-1", MinCount=1, MaxCount=1, TagSpecifications=specification
    )
    instance = str(made["Instances"][0]["InstanceId"])
    aws.run_command.register(instance, "10.0.0.1", instance)
    return instance


def poll(aws: Account, instance: str) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = aws.run_command.poll(instance, {}, seconds=0)["run"]
    return orders


def test_a_tagged_instance_runs_the_document_when_its_agent_comes_online(aws: Account, launched: str) -> None:
    (order,) = poll(aws, launched)

    assert order["variables"] == {"SSM_word": "hello"}
    assert poll(aws, launched) == []


def test_an_instance_without_the_tag_is_left_alone(aws: Account) -> None:
    stranger = launch(aws, {"Name": "twinslot"})

    assert poll(aws, stranger) == []


def test_a_new_association_runs_at_once_on_online_instances(aws: Account, launched: str) -> None:
    poll(aws, launched)

    aws.state_manager.associate(
        Association("try", "1", {"word": ["again"]}, [{"Key": "tag:twinslot", "Values": ["shop"]}], 0.0)
    )

    assert [order["variables"]["SSM_word"] for order in poll(aws, launched)] == ["again"]


def test_its_end_is_an_event_of_the_documented_shape(
    aws: Account, events: list[dict[str, Any]], launched: str
) -> None:
    for order in poll(aws, launched):
        aws.run_command.report(launched, order["command"], DONE)

    told = [event for event in events if event["detail"].get("instance-id") == launched]
    assert {event["detail-type"] for event in told} == {CHANGED}
    first, *_, last = (event["detail"]["status"] for event in told)
    assert (first, last) == ("InProgress", "Success")
    documented = json.loads(FIXTURE.read_text())
    assert {key: type(value) for key, value in told[-1].items()} == {
        key: type(value) for key, value in documented.items()
    }
    assert set(told[-1]["detail"]) == set(documented["detail"])


def test_the_newest_run_is_described(aws: Account, launched: str) -> None:
    ssm = aws.client("ssm")
    asked = ssm.describe_instance_associations_status(InstanceId=launched)
    assert asked["InstanceAssociationStatusInfos"] == []

    for order in poll(aws, launched):
        aws.run_command.report(launched, order["command"], {**DONE, "exit_code": 1})

    told = ssm.describe_instance_associations_status(InstanceId=launched)["InstanceAssociationStatusInfos"]
    assert {(each["Name"], each["Status"]) for each in told} == {("try", "Failed")}


def test_a_run_is_not_listed_as_a_command(aws: Account, launched: str) -> None:
    (order, *_) = poll(aws, launched)

    assert aws.run_command.commands() == []
    assert aws.client("ssm").list_commands()["Commands"] == []
    assert aws.run_command.find(order["command"]) is None


@pytest.mark.parametrize(
    ("document", "parameters", "key", "why"),
    [
        ("try", {"word": ["Hello!"]}, "tag-key", "does not match"),
        ("other", {"word": ["hello"]}, "tag-key", "no such document: other"),
        ("try", {"word": ["hello"]}, "ResourceGroup", "not ResourceGroup"),
    ],
)
def test_an_association_that_ssm_would_refuse_is_refused(
    aws: Account, document: str, parameters: dict[str, list[str]], key: str, why: str
) -> None:
    with pytest.raises(ApiError, match=why):
        aws.state_manager.associate(
            Association(document, "$LATEST", parameters, [{"Key": key, "Values": ["twinslot"]}], 0.0)
        )


def test_an_instance_of_a_launch_template_has_its_image_role_and_tags(aws: Account) -> None:
    newest = aws.client("ssm").get_parameter(
        Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    )["Parameter"]["Value"]
    by_call = aws.client("ec2").run_instances(
        LaunchTemplate={"LaunchTemplateName": "try"}, MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]

    for instance in (aws.outputs["Instance"], by_call):
        found = aws.client("ec2").describe_instances(InstanceIds=[instance])
        described = found["Reservations"][0]["Instances"][0]
        assert described["ImageId"] == newest
        assert "instance-profile/twinslot-Profile-" in described["IamInstanceProfile"]["Arn"]
        assert {"Key": "twinslot", "Value": "shop"} in described["Tags"]


def test_the_outputs_have_the_machines_address(aws: Account) -> None:
    aws.stack.address_given(aws.outputs["Instance"], "10.213.0.11")

    assert aws.outputs["Address"] == "10.213.0.11"
    told = aws.client("cloudformation").describe_stacks(StackName=aws.stack.name)["Stacks"][0]["Outputs"]
    assert {"OutputKey": "Address", "OutputValue": "10.213.0.11"} in told
