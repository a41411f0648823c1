"""Least privilege, proven: every role of the template may do what it does, and nothing of that is too much.

The whole flow runs once, every function and host under its own role, and every call is kept. Each action of
each statement is then taken out, and the kept calls are judged again: one of them has to be denied. What no
call can show stands in UNSEEN with its reason.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lab.sandbox.account import Account, Listener, Pace
from lab.sandbox.api import iam_permissions
from lab.sandbox.api.iam_policies import Permission, may
from lab.sandbox.api.principals import Principal
from lab.sandbox.services.slack import CHANNEL
from lab.sandbox.stack.moto_backends import LOCK, REGION
from lab.sandbox.stack.template import translate
from tests.proof.simulated_hosts import Host, Hosts, host_role, instance
from tests.proof.whole_flow import APP, ROOT_APP, SLACK_PARAMETER, Flow, Judgements

ROOT = Path(__file__).parents[2]
MADE_APP = "made"
"""That of the host which the stack makes itself. It has no machine here, only its role."""

PARAMETERS = {
    "DefaultApp": ROOT_APP,
    "CreateHost": "yes",
    "HostApp": MADE_APP,
    "SlackTokenParameter": SLACK_PARAMETER,
    "SlackChannel": CHANNEL,
}
FUNCTIONS = ("Deploy", "SsmAndSchedule", "Rollback", "Freeze")
"""Those that command hosts."""

ROLES = (*FUNCTIONS, "Slack", "Widget")
HOST = "HostPolicy"

AGENT = "the SSM agent's own call, which no code here makes; without it no command reaches the host"
STATE_MANAGER = "the SSM agent's own call, which no code here makes; without it no association runs there"
UNSEEN = {
    "sqs:SendMessage": "Lambda itself sends what a function failed at to its queue of dead letters",
    "ssm:GetDocument": STATE_MANAGER,
    "ssm:ListInstanceAssociations": STATE_MANAGER,
    "ssm:UpdateInstanceAssociationStatus": STATE_MANAGER,
    "ssm:UpdateInstanceInformation": AGENT,
    "ssmmessages:CreateControlChannel": AGENT,
    "ssmmessages:CreateDataChannel": AGENT,
    "ssmmessages:OpenControlChannel": AGENT,
    "ssmmessages:OpenDataChannel": AGENT,
}
"""Actions that no call of the flow shows, and why."""

OF_AWS = {
    "logs": "Lambda itself writes what a function prints",
    "xray": "the X-Ray daemon of Lambda's sends the traces",
}
"""Services that AWS's own policies on a function's role are about, and why no call of the flow shows them."""

Statement = Mapping[str, Any]


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def statements_of_template() -> dict[str, list[Statement]]:
    """What the template itself says of each role, as CloudFormation gets it."""
    resources = translate(ROOT / "template.yaml", REGION, PARAMETERS).resources
    found = {HOST: resources[HOST]["Properties"]["PolicyDocument"]["Statement"]}
    for function in ROLES:
        policies = resources[f"{function}Role"]["Properties"]["Policies"]
        found[function] = [
            # Every condition of the template is met by PARAMETERS.
            one["Fn::If"][1] if "Fn::If" in one else one
            for policy in policies
            for one in policy["PolicyDocument"]["Statement"]
        ]
    return found


CASES = [
    pytest.param(role, number, action, id=f"{role}-{statement.get('Sid', number)}-{action}")
    for role, statements in statements_of_template().items()
    for number, statement in enumerate(statements)
    if statement["Effect"] == "Allow"
    for action in listed(statement["Action"])
]


@dataclass(frozen=True)
class Life:
    """The account after the whole flow. `calls` are the permissions that each role needed in it."""

    aws: Account
    flow: Flow
    judgements: Judgements
    calls: dict[str, tuple[Permission, ...]]
    denied: tuple[Permission, ...]
    roles: dict[str, Principal]
    shop: Host


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    logs = tmp_path_factory.mktemp("logs")
    judgements = Judgements()
    # Schedules are due when the flow wants them; agents never count as lost.
    pace = Pace(schedule_factor=0.0001, retry_seconds=(0.2, 1.0), agent_latency=0.1, agent_silence=600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iam_permissions, "check", judgements.check)
        aws = Account("127.0.0.1", ROOT / "template.yaml", PARAMETERS, logs, pace, Listener())
        hosts = Hosts(aws)
        try:
            patch.setenv("AWS_REGION", REGION)
            for service in ("S3", "SSM"):
                patch.setenv(f"AWS_ENDPOINT_URL_{service}", aws.endpoint)
            patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.host_services.endpoint)
            shop = hosts.add(APP)
            hosts.add(ROOT_APP)
            flow = Flow(aws, hosts)
            flow.run()
            hosts.close()
            yield _life(aws, flow, judgements, shop, hosts)
        finally:
            hosts.close()
            aws.close()


def _life(aws: Account, flow: Flow, judgements: Judgements, shop: Host, hosts: Hosts) -> Life:
    with LOCK:
        ids = {function: aws.stack.resources[f"{function}Role"].id for function in ROLES}
        roles = {function: aws.principals.assume(id, "test") for function, id in ids.items()}
    names = {id: function for function, id in ids.items()}
    names |= {f"host-{host.instance}": HOST for host in hosts.all}
    calls: dict[str, list[Permission]] = {role: [] for role in (*ROLES, HOST)}
    for judgement in judgements.all:
        calls[names[judgement.role]] += judgement.permissions
    denied = [each for judgement in judgements.all if not judgement.allowed for each in judgement.permissions]
    kept = {role: tuple(needed) for role, needed in calls.items()}
    return Life(aws, flow, judgements, kept, tuple(denied), {**roles, HOST: shop.role}, shop)


def client(life: Life, principal: Principal, service: str) -> Any:
    session = boto3.Session(principal.access_key, principal.secret, principal.token, region_name=REGION)
    return session.client(service, endpoint_url=life.aws.endpoint)  # type: ignore[call-overload]


def statements(life: Life, role: str) -> tuple[Statement, ...]:
    found = life.roles[role].statements
    assert found is not None
    return found


def without(statements: tuple[Statement, ...], number: int, action: str) -> list[Statement]:
    """The statements, less one action of one of them."""
    left = [each for each in listed(statements[number]["Action"]) if each != action]
    changed = [{**statements[number], "Action": left}] if left else []
    return [*statements[:number], *changed, *statements[number + 1 :]]


def test_the_whole_flow_runs_with_each_function_under_its_own_role(life: Life) -> None:
    assert life.flow.outcomes == {
        "first": "LIVE",
        "jar at the root": "LIVE",
        "before the waiting one": "LIVE",
        "waiting": "LIVE",
        "dies": "FAILED",
        "bakes": "REVERTED",
        "rollback": "LIVE",
        "cancelled": "CANCELLED",
        "rollback that cancels": "LIVE",
        "frozen": "LIVE",
        "no jar": "REFUSED",
        "gone": "REFUSED",
        "forgotten": "LIVE",
        "join": "LIVE",
    }
    # A short command may end before it is recorded; Lambda retries that event. The flow wants UnknownApp.
    errors = [json.loads(each.answer)["errorType"] for each in life.aws.invocations if each.error]
    assert set(errors) - {"UnknownCommand"} == {"UnknownApp"}
    assert life.denied == ()
    assert all(life.calls.values())


@pytest.mark.parametrize(("role", "number", "action"), CASES)
def test_without_any_one_action_a_call_is_denied(life: Life, role: str, number: int, action: str) -> None:
    given = statements(life, role)
    assert action in listed(given[number]["Action"])

    left = without(given, number, action)

    missed = [call for call in life.calls[role] if not may(left, call)]
    assert bool(missed) != (action in UNSEEN), UNSEEN.get(action, "nothing needs it: take it out")


def test_every_reason_is_about_an_action_of_the_template() -> None:
    assert set(UNSEEN) <= {
        action
        for each in statements_of_template().values()
        for one in each
        for action in listed(one["Action"])
    }


@pytest.mark.parametrize("role", ROLES)
def test_what_aws_own_policies_add_is_logs_and_traces_that_no_function_sends(life: Life, role: str) -> None:
    own = len(statements_of_template()[role])
    added = {action for one in statements(life, role)[own:] for action in listed(one["Action"])}

    assert {action.partition(":")[0] for action in added} == set(OF_AWS)
    assert not any(call.action in added for call in life.calls[role])


def _widened(given: tuple[Statement, ...], how: str) -> list[Statement]:
    """A role's statements with one mistake more."""
    match how:
        case "everything":
            return [*given, {"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": "*"}]
        case "all of ssm":
            return [*given, {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]
        case "no tag asked for":
            return [{name: part for name, part in one.items() if name != "Condition"} for one in given]
        case _:
            return [
                {**one, "Resource": str(one["Resource"]).rpartition("/")[0] + "/*"}
                if one.get("Sid") == "CommandByThisDocument"
                else one
                for one in given
            ]


@pytest.fixture(scope="module")
def forbidden_commands(life: Life) -> dict[str, dict[str, tuple[Permission, ...]]]:
    """What each function's role needed for commands that it must not send; each was denied."""
    stranger = instance(life.aws, {})
    document = life.aws.outputs["HostDocumentName"]
    attempts = {
        "an untagged instance": {"DocumentName": document, "InstanceIds": [stranger]},
        "another document": {"DocumentName": "AWS-RunShellScript", "InstanceIds": [life.shop.instance]},
    }
    found: dict[str, dict[str, tuple[Permission, ...]]] = {}
    for function in FUNCTIONS:
        ssm = client(life, life.roles[function], "ssm")
        found[function] = {}
        for name, request in attempts.items():
            with pytest.raises(ClientError, match=r"AccessDenied.*ssm:SendCommand"):
                ssm.send_command(**request)
            found[function][name] = life.judgements.all[-1].permissions
    return found


@pytest.mark.parametrize("role", FUNCTIONS)
@pytest.mark.parametrize(
    ("how", "opened"),
    [
        ("everything", {"an untagged instance", "another document"}),
        ("all of ssm", {"an untagged instance", "another document"}),
        ("no tag asked for", {"an untagged instance"}),
        ("any document", {"another document"}),
    ],
)
def test_a_role_that_may_command_more_than_tagged_hosts_by_this_document_is_found(
    life: Life,
    forbidden_commands: dict[str, dict[str, tuple[Permission, ...]]],
    role: str,
    how: str,
    opened: set[str],
) -> None:
    def sent(given: list[Statement]) -> set[str]:
        return {
            name
            for name, needed in forbidden_commands[role].items()
            if all(may(given, one) for one in needed)
        }

    assert sent(list(statements(life, role))) == set()
    assert sent(_widened(statements(life, role), how)) == opened


def test_the_widget_reads_applications_alone_and_writes_nothing(life: Life) -> None:
    dynamodb = client(life, life.roles["Widget"], "dynamodb")
    table = life.aws.stack.resources["Table"].id
    app = {"pk": {"S": f"APP#{APP}"}, "sk": {"S": "STATE"}}
    command = {"pk": {"S": "COMMAND#1"}, "sk": {"S": "COMMAND"}}

    assert dynamodb.get_item(TableName=table, Key=app)["Item"]
    with pytest.raises(ClientError, match=r"AccessDenied.*dynamodb:GetItem"):
        dynamodb.get_item(TableName=table, Key=command)
    with pytest.raises(ClientError, match=r"AccessDenied.*dynamodb:PutItem"):
        dynamodb.put_item(TableName=table, Item=app)
    with pytest.raises(ClientError, match=r"AccessDenied.*dynamodb:Scan"):
        dynamodb.scan(TableName=table)


def test_slacks_function_reaches_no_item_but_its_notes_and_no_secret_but_its_own(life: Life) -> None:
    table, dynamodb = life.aws.stack.resources["Table"].id, client(life, life.roles["Slack"], "dynamodb")
    own = {"pk": {"S": "SLACK#01J"}, "sk": {"S": "POST"}}
    others = {"pk": {"S": f"APP#{APP}"}, "sk": {"S": "STATE"}}

    dynamodb.put_item(TableName=table, Item=own)
    assert dynamodb.get_item(TableName=table, Key=own)["Item"] == own
    with pytest.raises(ClientError, match=r"AccessDenied.*dynamodb:GetItem"):
        dynamodb.get_item(TableName=table, Key=others)
    with pytest.raises(ClientError, match=r"AccessDenied.*dynamodb:PutItem"):
        dynamodb.put_item(TableName=table, Item=others)
    with pytest.raises(ClientError, match=r"AccessDenied.*dynamodb:Scan"):
        dynamodb.scan(TableName=table)
    with pytest.raises(ClientError, match=r"AccessDenied.*ssm:GetParameter"):
        client(life, life.roles["Slack"], "ssm").get_parameter(Name=f"/twinslot/apps/{APP}")


@pytest.fixture(scope="module")
def jars(life: Life) -> dict[str, dict[str, str]]:
    """A jar of each of some applications, as GetObject names it."""
    s3, bucket = life.aws.client("s3"), life.aws.stack.resources["Artifacts"].id
    found = {}
    for app in (APP, "shop-2", "sho", MADE_APP):
        key = f"{app}/notes.txt"
        version = s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"]
        found[app] = {"Bucket": bucket, "Key": key, "VersionId": version}
    return found


def test_a_host_reads_jars_of_its_own_application_alone(life: Life, jars: dict[str, dict[str, str]]) -> None:
    s3 = client(life, life.shop.role, "s3")
    unversioned = {name: value for name, value in jars[APP].items() if name != "VersionId"}
    at_the_root = {**unversioned, "Key": "front.jar", "VersionId": "any"}

    assert s3.get_object(**jars[APP])["ContentLength"] == 1
    for other in (jars["shop-2"], jars["sho"], at_the_root):
        with pytest.raises(ClientError, match=r"AccessDenied.*s3:GetObjectVersion"):
            s3.get_object(**other)
    with pytest.raises(ClientError, match=r"AccessDenied.*s3:GetObject "):
        s3.get_object(**unversioned)
    with pytest.raises(ClientError, match=r"AccessDenied.*s3:ListBucket"):
        s3.list_objects_v2(Bucket=jars[APP]["Bucket"])
    for verb in (s3.put_object, s3.delete_object):
        with pytest.raises(ClientError, match="AccessDenied"):
            verb(**unversioned)


def test_the_host_that_the_stack_makes_reads_jars_of_its_own_application_alone(
    life: Life, jars: dict[str, dict[str, str]]
) -> None:
    with LOCK:
        role = life.aws.principals.assume(life.aws.stack.resources["HostRole"].id, "made")
    s3 = client(life, role, "s3")

    assert s3.get_object(**jars[MADE_APP])["ContentLength"] == 1
    for other in (jars[APP], jars["shop-2"]):
        with pytest.raises(ClientError, match=r"AccessDenied.*s3:GetObjectVersion"):
            s3.get_object(**other)
    # Nothing but what every host may do.
    assert role.statements == life.shop.role.statements


@pytest.mark.parametrize("tags", [{}, {"twinslot": ""}, {"Name": APP}, {"twinslot": "-"}])
def test_a_host_whose_role_names_no_application_reads_nothing(
    life: Life, jars: dict[str, dict[str, str]], tags: dict[str, str]
) -> None:
    name = "host-" + "-".join(["of", *tags, *tags.values()])
    s3 = client(life, host_role(life.aws, name, tags), "s3")

    for jar in jars.values():
        with pytest.raises(ClientError, match=r"AccessDenied.*s3:GetObjectVersion"):
            s3.get_object(**jar)


@pytest.fixture(scope="module")
def secrets(life: Life) -> dict[str, str]:
    """A secret in the environment of some applications: the names of the parameters."""
    ssm = life.aws.client("ssm")
    names = {app: f"/twinslot/apps/{app}/env/PASSWORD" for app in (APP, "shop-2", "sho")}
    for name in names.values():
        ssm.put_parameter(Name=name, Type="SecureString", Value="hunter2")
    return names


def test_a_host_reads_the_environment_of_its_own_application_alone(
    life: Life, secrets: dict[str, str]
) -> None:
    ssm = client(life, life.shop.role, "ssm")

    found = ssm.get_parameters_by_path(Path=f"/twinslot/apps/{APP}/env", WithDecryption=True)
    assert [each["Value"] for each in found["Parameters"]] == ["hunter2"]
    for path in (f"/twinslot/apps/{APP}", "/twinslot/apps", "/twinslot/apps/shop-2/env", "/"):
        with pytest.raises(ClientError, match=r"AccessDenied.*ssm:GetParametersByPath"):
            ssm.get_parameters_by_path(Path=path, Recursive=True)
    for name in secrets.values():
        with pytest.raises(ClientError, match=r"AccessDenied.*ssm:GetParameter "):
            ssm.get_parameter(Name=name)


@pytest.mark.parametrize("role", FUNCTIONS)
def test_no_function_reads_a_secret_but_for_the_denial_it_could(
    life: Life, secrets: dict[str, str], role: str
) -> None:
    ssm = client(life, life.roles[role], "ssm")
    undenied = [one for one in statements(life, role) if one["Effect"] == "Allow"]

    assert ssm.get_parameter(Name=f"/twinslot/apps/{APP}")["Parameter"]["Value"]
    with pytest.raises(ClientError, match=r"AccessDenied.*ssm:GetParameter "):
        ssm.get_parameter(Name=secrets[APP], WithDecryption=True)
    assert all(may(undenied, one) for one in life.judgements.all[-1].permissions)
    with pytest.raises(ClientError, match=r"AccessDenied.*ssm:GetParametersByPath"):
        ssm.get_parameters_by_path(Path=f"/twinslot/apps/{APP}/env")
