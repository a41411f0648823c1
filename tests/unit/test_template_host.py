"""The host that CreateHost makes, and how any host is provisioned."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from lab.sandbox.stack import supported_properties
from lab.sandbox.stack.template import translate
from tests.unit.conftest import ROOT

Resources = dict[str, dict[str, Any]]

HOST = ("HostRole", "HostProfile", "HostFirewall", "HostTemplate", "Host")


@pytest.fixture(scope="module")
def launched(resources: Resources) -> dict[str, Any]:
    """What the launch template says of an instance."""
    found: dict[str, Any] = resources["HostTemplate"]["Properties"]["LaunchTemplateData"]
    return found


def references(node: Any) -> Iterator[str]:
    """The names that a part of the template refers to."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0]
            else:
                yield from references(value)


def tags(node: list[dict[str, Any]]) -> dict[str, Any]:
    return {tag["Key"]: tag["Value"] for tag in node}


def test_a_host_is_created_only_where_it_is_requested(stack: dict[str, Any], resources: Resources) -> None:
    assert stack["Parameters"]["CreateHost"]["Default"] == "no"
    assert stack["Conditions"]["CreatesHost"] == {"Fn::Equals": [{"Ref": "CreateHost"}, "yes"]}
    conditional = {name for name, one in resources.items() if one.get("Condition") == "CreatesHost"}
    assert conditional == set(HOST)
    for name, one in (resources | stack["Outputs"]).items():
        if set(references(one)) & set(HOST):
            assert one["Condition"] == "CreatesHost", name


def test_the_image_is_the_newest_amazon_linux_at_launch_and_never_changes_what_runs(
    resources: Resources, launched: dict[str, Any]
) -> None:
    # EC2 looks it up, so that CloudFormation sees the same text at each update.
    assert launched["ImageId"] == (
        "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    )
    host = resources["Host"]["Properties"]
    assert host["LaunchTemplate"] == {"LaunchTemplateId": {"Ref": "HostTemplate"}, "Version": "1"}
    # Everything else there, CloudFormation changes in place.
    assert set(host) == {"LaunchTemplate", "InstanceType", "Tags"}


def test_the_next_hosts_are_of_the_newest_version(stack: dict[str, Any]) -> None:
    # Without a version EC2 takes the default, which stays the first one.
    command = stack["Outputs"]["AddHostCommand"]["Value"]["Fn::Sub"]
    assert shlex.split(command)[-1] == "LaunchTemplateName=${AWS::StackName}-host,Version=$Latest"


@pytest.mark.parametrize("kind", ["t4g.small", "m7g.large", "c7gn.16xlarge", "x2gd.metal"])
def test_types_with_an_arm_processor_are_taken(stack: dict[str, Any], kind: str) -> None:
    assert re.fullmatch(stack["Parameters"]["HostType"]["AllowedPattern"], kind)


@pytest.mark.parametrize("kind", ["t3.small", "m5.large", "g5.xlarge", "m7i.large", "t4g", "", "t4g.small;"])
def test_types_that_cannot_boot_that_image_are_refused(stack: dict[str, Any], kind: str) -> None:
    assert not re.fullmatch(stack["Parameters"]["HostType"]["AllowedPattern"], kind)


def test_the_metadata_need_version_2_and_do_not_leave_the_host(launched: dict[str, Any]) -> None:
    assert launched["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }


def test_the_disk_is_encrypted(launched: dict[str, Any]) -> None:
    (disk,) = launched["BlockDeviceMappings"]
    assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeType"]) == (True, "gp3")


def test_only_ports_80_and_443_are_open(resources: Resources) -> None:
    rules = resources["HostFirewall"]["Properties"]["SecurityGroupIngress"]
    assert {rule["IpProtocol"] for rule in rules} == {"tcp"}
    opened = {(rule["FromPort"], rule["ToPort"], rule.get("CidrIp") or rule["CidrIpv6"]) for rule in rules}
    assert opened == {(port, port, anyone) for port in (80, 443) for anyone in ("0.0.0.0/0", "::/0")}
    assert "KeyName" not in resources["HostTemplate"]["Properties"]["LaunchTemplateData"]


def test_the_host_has_the_tag_by_which_it_gets_jars_and_commands(
    resources: Resources, launched: dict[str, Any]
) -> None:
    app = {"Ref": "HostApp"}
    assert tags(resources["Host"]["Properties"]["Tags"])["twinslot"] == app
    # So do the further hosts that somebody launches by the template, and the volumes.
    propagated = {one["ResourceType"]: tags(one["Tags"]) for one in launched["TagSpecifications"]}
    assert propagated["instance"]["twinslot"] == propagated["volume"]["twinslot"] == app


def test_every_tagged_host_is_provisioned_by_this_document(resources: Resources) -> None:
    association = resources["ProvisionHosts"]
    assert "Condition" not in association
    described = association["Properties"]
    assert described["Name"] == {"Ref": "HostDocument"}
    assert described["DocumentVersion"] == "$LATEST"
    assert described["Targets"] == [{"Key": "tag-key", "Values": ["twinslot"]}]
    # No app: a machine is prepared before anybody knows what it is to run.
    assert described["Parameters"] == {"verb": ["provision"], "step": ["provision"]}
    assert described["MaxErrors"] == described["MaxConcurrency"] == "100%"


def test_hosts_that_come_later_do_not_wait_for_the_schedule(resources: Resources) -> None:
    described = resources["ProvisionHosts"]["Properties"]
    assert "ApplyOnlyAtCronInterval" not in described
    assert described["ScheduleExpression"] == "rate(1 day)"


def test_sam_deploy_is_allowed_all_that_the_stack_needs(resources: Resources) -> None:
    samconfig = tomllib.loads((ROOT / "samconfig.toml").read_text())
    capabilities = set(samconfig["default"]["deploy"]["parameters"]["capabilities"])
    assert capabilities == {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"}
    # A role, profile or policy with a name of its own would ask for CAPABILITY_NAMED_IAM.
    names = {"RoleName", "InstanceProfileName", "ManagedPolicyName", "GroupName", "UserName"}
    for name, one in resources.items():
        if one["Type"].startswith("AWS::IAM::"):
            assert not names & set(one.get("Properties", {})), name


def test_the_sandbox_knows_every_resource_and_property() -> None:
    translated = translate(ROOT / "template.yaml", "eu-central-1", {"CreateHost": "yes"})
    supported_properties.check(translated.resources)
