"""The commands of docs/https.md about the load balancer, typed as they are written there."""

import json
import re
import shlex
from collections.abc import Iterator

import boto3
import pytest
from awscli.clidriver import create_clidriver
from moto import mock_aws

from tests.pages import ROOT, Page

REGION = "eu-central-1"
PAGE = Page(ROOT / "docs" / "https.md")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What the page takes for given, as a shell's variables."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        ec2 = boto3.client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:2]]
        group = ec2.create_security_group(GroupName="public", Description="public", VpcId=vpc)["GroupId"]
        instance = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0][
            "InstanceId"
        ]
        certificate = boto3.client("acm").request_certificate(DomainName="shop.example.com")["CertificateArn"]
        yield {
            "VPC": vpc,
            "SUBNETS": " ".join(subnets),
            "PUBLIC": group,
            "HOST": instance,
            "CERTIFICATE": certificate,
        }


def type_in(command: str, variables: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """What a shell does with a line of the page: NAME=$(…), $NAME, and the command itself."""
    assigned = re.fullmatch(r"([A-Z]+)=\$\((.*)\)", command)
    words = shlex.split(
        re.sub(r"\$([A-Z]+)", lambda name: variables[name[1]], assigned[2] if assigned else command)
    )
    assert words[0] == "aws"
    assert create_clidriver().main(words[1:]) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    if assigned:
        variables[assigned[1]] = printed.strip()


def test_the_load_balancer_of_the_page_sends_users_of_both_ports_to_the_host_by_tls(
    account: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [command for block in PAGE.blocks if block.kind == "sh" for command in block.commands]
    for command in typed:
        type_in(command, account, capsys)
    balancing = boto3.client("elbv2")
    listeners = balancing.describe_listeners(LoadBalancerArn=account["BALANCER"])["Listeners"]
    actions = {listener["Port"]: listener["DefaultActions"][0]["Type"] for listener in listeners}
    assert actions == {443: "forward", 80: "redirect"}
    (target,) = balancing.describe_target_health(TargetGroupArn=account["TARGETS"])[
        "TargetHealthDescriptions"
    ]
    assert (target["Target"]["Id"], target["Target"]["Port"]) == (account["HOST"], 80)
    settings = boto3.client("ssm").get_parameter(Name="/twinslot/apps/shop")["Parameter"]["Value"]
    assert set(json.loads(settings)) == {"server_name", "tls_certificate", "tls_key"}
