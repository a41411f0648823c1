"""The sandbox decides about permissions as IAM does, and refuses what it does not support."""

import pytest

from lab.sandbox.api.iam_policies import Permission, UnknownPolicy, forbids, may

READ = {"Effect": "Allow", "Action": "s3:GetObject*", "Resource": "arn:aws:s3:::jars/shop/*"}


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("s3:GetObject", "arn:aws:s3:::jars/shop/a.jar", True),
        ("s3:GetObjectVersion", "arn:aws:s3:::jars/shop/deep/a.jar", True),
        ("S3:getobject", "arn:aws:s3:::jars/shop/a.jar", True),
        ("s3:PutObject", "arn:aws:s3:::jars/shop/a.jar", False),
        ("s3:GetObject", "arn:aws:s3:::jars/other/a.jar", False),
        ("s3:GetObject", "arn:aws:s3:::jars/shop", False),
    ],
)
def test_a_statement_allows_its_actions_on_its_resources_alone(
    action: str, resource: str, allowed: bool
) -> None:
    assert may([READ], Permission(action, resource)) is allowed


def test_a_denial_beats_every_permission() -> None:
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*.jar"}

    assert not may([READ, deny], Permission("s3:GetObject", "arn:aws:s3:::jars/shop/a.jar"))


def test_a_condition_on_a_key_that_the_request_lacks_is_not_met() -> None:
    tagged = {
        "Effect": "Allow",
        "Action": "ssm:SendCommand",
        "Resource": "arn:aws:ec2:*:*:instance/*",
        "Condition": {"StringLike": {"ssm:resourceTag/twinslot": "*"}},
    }
    host = "arn:aws:ec2:eu-central-1:1:instance/i-1"

    assert may([tagged], Permission("ssm:SendCommand", host, {"ssm:resourcetag/twinslot": "shop"}))
    assert not may([tagged], Permission("ssm:SendCommand", host))


def test_a_condition_for_all_values_is_met_where_there_is_none() -> None:
    own = {
        "Effect": "Allow",
        "Action": "dynamodb:Query",
        "Resource": "*",
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "APP#*"}},
    }

    assert may([own], Permission("dynamodb:Query", "table/t", {"dynamodb:leadingkeys": "APP#shop"}))
    assert not may([own], Permission("dynamodb:Query", "table/t", {"dynamodb:leadingkeys": "COMMAND#1"}))
    assert may([own], Permission("dynamodb:Query", "table/t"))


def test_a_policy_variable_is_filled_in_from_the_caller() -> None:
    own = READ | {"Resource": "arn:aws:s3:::jars/${aws:PrincipalTag/twinslot}/*"}
    permission = Permission(
        "s3:GetObject", "arn:aws:s3:::jars/shop/a.jar", {"aws:principaltag/twinslot": "shop"}
    )
    other = Permission("s3:GetObject", "arn:aws:s3:::jars/shop/a.jar", {"aws:principaltag/twinslot": "other"})
    untagged = Permission("s3:GetObject", "arn:aws:s3:::jars//a.jar")

    assert may([own], permission)
    assert not may([own], other)
    assert not may([own], untagged)


def test_a_resource_policy_forbids_to_everyone_what_it_names() -> None:
    over_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::jars/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    resource = "arn:aws:s3:::jars/a"

    assert forbids([over_tls], Permission("s3:GetObject", resource, {"aws:securetransport": "false"}))
    assert not forbids([over_tls], Permission("s3:GetObject", resource, {"aws:securetransport": "true"}))


@pytest.mark.parametrize(
    "statement",
    [READ | {"NotAction": "s3:*"}, READ | {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}],
)
def test_what_is_not_supported_is_an_error(statement: dict[str, object]) -> None:
    with pytest.raises(UnknownPolicy):
        may([statement], Permission("s3:GetObject", "arn:aws:s3:::jars/shop/a.jar"))
