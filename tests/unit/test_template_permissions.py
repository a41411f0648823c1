"""A role a function, nothing shared, and no more in it than the function's code calls."""

from typing import Any

import pytest
from twinslot.domain.model import NO_APP

Resources = dict[str, dict[str, Any]]
Statement = dict[str, Any]

FUNCTIONS = ("Deploy", "SsmAndSchedule", "Rollback", "Freeze")

KNOW_NO_RESOURCES = {
    "ec2:DescribeInstances",
    "ssm:DescribeInstanceInformation",
    "ssm:ListCommands",
    "ssm:ListCommandInvocations",
}
"""Actions whose resource can only be "*" (Service Authorization Reference of EC2 and Systems Manager)."""

EVERY_FUNCTION = {
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "ec2:DescribeInstances",
    "sns:Publish",
    "sqs:SendMessage",
    "ssm:DescribeInstanceInformation",
    "ssm:GetParameter",
    "ssm:SendCommand",
}


def statements(resources: Resources, function: str) -> list[Statement]:
    role = resources[resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
    return [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def actions(statement: Statement) -> set[str]:
    action = statement["Action"]
    return {action} if isinstance(action, str) else set(action)


def allowing(resources: Resources, function: str, action: str) -> list[Statement]:
    return [
        statement
        for statement in statements(resources, function)
        if action in actions(statement) and statement["Effect"] == "Allow"
    ]


def test_each_function_has_a_role_of_its_own(resources: Resources) -> None:
    roles = {function: resources[function]["Properties"]["Role"] for function in FUNCTIONS}
    assert roles == {function: {"Fn::GetAtt": [f"{function}Role", "Arn"]} for function in FUNCTIONS}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_lambda_takes_on_a_functions_role(resources: Resources, function: str) -> None:
    (trust,) = resources[f"{function}Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": ["lambda.amazonaws.com"]}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_aws_own_policies_only_let_it_log_and_trace(resources: Resources, function: str) -> None:
    arns = resources[f"{function}Role"]["Properties"]["ManagedPolicyArns"]
    assert {arn.rpartition("/")[2] for arn in arns} == {
        "AWSLambdaBasicExecutionRole",
        "AWSXrayWriteOnlyAccess",
    }


@pytest.mark.parametrize(
    ("function", "alone"),
    [
        ("Deploy", {"s3:GetObjectVersion", "s3:ListBucket"}),
        ("SsmAndSchedule", {"dynamodb:Query", "ssm:ListCommands", "ssm:ListCommandInvocations"}),
        ("Rollback", {"dynamodb:Query"}),
        ("Freeze", set()),
    ],
)
def test_a_function_may_do_what_its_code_calls_and_nothing_else(
    resources: Resources, function: str, alone: set[str]
) -> None:
    allowed = set().union(*map(actions, statements(resources, function)))
    assert allowed == EVERY_FUNCTION | alone


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_allowed_on_everything_that_could_be_narrower(resources: Resources, function: str) -> None:
    for statement in statements(resources, function):
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        if statement["Resource"] == "*":
            assert actions(statement) <= KNOW_NO_RESOURCES


@pytest.mark.parametrize("function", FUNCTIONS)
def test_commands_go_by_this_document_to_tagged_instances_alone(resources: Resources, function: str) -> None:
    here = "${AWS::Region}:${AWS::AccountId}"
    by_document, to_hosts = allowing(resources, function, "ssm:SendCommand")
    assert by_document["Resource"] == {
        "Fn::Sub": f"arn:${{AWS::Partition}}:ssm:{here}:document/${{HostDocument}}"
    }
    # A condition on the document would ask the document for the tag.
    assert "Condition" not in by_document
    assert to_hosts["Resource"] == {"Fn::Sub": f"arn:${{AWS::Partition}}:ec2:{here}:instance/*"}
    assert to_hosts["Condition"] == {"StringLike": {"ssm:resourceTag/twinslot": "*"}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_this_stacks_table_topic_and_settings_are_touched(resources: Resources, function: str) -> None:
    def of(action: str) -> list[Any]:
        return [statement["Resource"] for statement in allowing(resources, function, action)]

    settings = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/twinslot/apps/*"
    assert of("dynamodb:PutItem") == of("dynamodb:GetItem") == [{"Fn::GetAtt": ["Table", "Arn"]}]
    assert of("sns:Publish") == [{"Ref": "Announcements"}]
    assert of("ssm:GetParameter") == [{"Fn::Sub": settings}]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_hosts_read_what_is_below_an_applications_settings(resources: Resources, function: str) -> None:
    (denial,) = (one for one in statements(resources, function) if one["Effect"] == "Deny")
    below = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/twinslot/apps/*/*"
    assert denial["Action"] == "ssm:GetParameter"
    assert denial["Resource"] == {"Fn::Sub": below}
    assert "Condition" not in denial


def test_the_schedule_may_list_the_applications_and_a_rollback_may_query_the_history_too(
    resources: Resources,
) -> None:
    (busy,) = allowing(resources, "SsmAndSchedule", "dynamodb:Query")
    history, apps = allowing(resources, "Rollback", "dynamodb:Query")
    assert busy["Resource"] == apps["Resource"] == {"Fn::Sub": "${Table.Arn}/index/busy"}
    assert history["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}


def test_the_widget_reads_applications_and_nothing_else(resources: Resources) -> None:
    items, index = statements(resources, "Widget")
    assert actions(items) == {"dynamodb:GetItem", "dynamodb:Query"}
    assert items["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}
    assert items["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "APP#*"}}
    assert actions(index) == {"dynamodb:Query"}
    assert index["Resource"] == {"Fn::Sub": "${Table.Arn}/index/busy"}


def host_statements(resources: Resources) -> dict[str, Statement]:
    """What HostPolicy says, by the statements' names."""
    document = resources["HostPolicy"]["Properties"]["PolicyDocument"]
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_a_host_reads_jars_of_the_application_that_its_role_is_tagged_with(resources: Resources) -> None:
    own_jars, at_the_root = (host_statements(resources)[sid] for sid in ("OwnJars", "JarsAtTheRoot"))
    assert own_jars["Action"] == at_the_root["Action"] == "s3:GetObjectVersion"
    assert own_jars["Resource"] == {"Fn::Sub": "${Artifacts.Arn}/${!aws:PrincipalTag/twinslot}/*"}
    assert at_the_root["Condition"] == {
        "StringEquals": {
            "aws:PrincipalTag/twinslot": {"Fn::If": ["HasDefaultApp", {"Ref": "DefaultApp"}, NO_APP]}
        }
    }


def test_a_host_reads_the_environment_of_its_own_application(resources: Resources) -> None:
    environment = host_statements(resources)["OwnEnvironment"]
    own = "parameter/twinslot/apps/${!aws:PrincipalTag/twinslot}/env"
    assert environment["Action"] == "ssm:GetParametersByPath"
    assert environment["Resource"]["Fn::Sub"].endswith(f":{own}")


def test_a_hosts_agent_may_do_what_commands_sessions_and_associations_need(resources: Resources) -> None:
    here = "${AWS::Region}:${AWS::AccountId}"
    given = host_statements(resources)
    # The same five as in AWSCloud9SSMInstanceProfile, AWS's policy for Session Manager and nothing else.
    assert actions(given["Agent"]) == {
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }
    # The agent's calls without which no association runs (its agent/association/service/service.go).
    assert actions(given["OwnAssociations"]) == {
        "ssm:ListInstanceAssociations",
        "ssm:UpdateInstanceAssociationStatus",
    }
    assert given["ThisDocument"]["Action"] == "ssm:GetDocument"
    assert given["ThisDocument"]["Resource"] == {
        "Fn::Sub": f"arn:${{AWS::Partition}}:ssm:{here}:document/${{HostDocument}}"
    }


def test_only_ec2_takes_on_the_role_of_the_host_that_the_stack_makes(resources: Resources) -> None:
    role = resources["HostRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert role["Tags"] == [{"Key": "twinslot", "Value": {"Ref": "HostApp"}}]
    # What any host of this application may do, and nothing besides.
    assert role["ManagedPolicyArns"] == [{"Ref": "HostPolicy"}]
    assert "Policies" not in role
