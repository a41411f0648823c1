"""What the tests of the edges share: AWS as moto has it, and SSM agents whose answers a test decides.

moto knows neither DescribeInstanceInformation nor ListCommandInvocations. `Agents` answers them where
botocore would send them; SendCommand, ListCommands and everything else are moto's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from threading import RLock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from twinslot.aws.fleet import Fleet
from twinslot.aws.store import Store

from tests.controller import dynamodb_local
from tests.controller.controller_fixture import ControllerFixture

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient

# moto reads it with each new account: hundreds of images that no test here starts.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

TABLE = "twinslot"
DOCUMENT = "twinslot-host"
NOW = 1_794_441_600.0
PAGE = 2
"""Answers come in pages this small, so that a caller that forgets the next page fails."""


@cache
def session() -> boto3.Session:
    """One session: most of a client's making is reading the service's model, which a session keeps."""
    return boto3.Session(region_name="eu-central-1")


@cache
def ec2_client() -> EC2Client:
    """One client: EC2 has the most operations of all, and each of them is made for each client."""
    return session().client("ec2")


@cache
def dynamodb_client() -> DynamoDBClient:
    """One client of moto's, for the many tests of the store."""
    return session().client("dynamodb")


@pytest.fixture
def aws() -> Iterator[boto3.Session]:
    """An empty AWS account."""
    with mock_aws():
        yield session()


def make_table(client: DynamoDBClient) -> None:
    """The table as template.yaml describes it."""
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "busy")],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "busy",
                "KeySchema": [
                    {"AttributeName": "busy", "KeyType": "HASH"},
                    {"AttributeName": "pk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )


@pytest.fixture
def moto(aws: object, monkeypatch: pytest.MonkeyPatch) -> DynamoDBClient:
    """moto with an empty table. It is not fit for threads by itself: updates get lost."""
    lock, answer = RLock(), BotocoreStubber.__call__

    def answer_one_by_one(*arguments: Any, **options: Any) -> Any:
        with lock:
            return answer(*arguments, **options)

    monkeypatch.setattr(BotocoreStubber, "__call__", answer_one_by_one)
    make_table(dynamodb_client())
    return dynamodb_client()


@pytest.fixture
def dynamodb(moto: DynamoDBClient) -> DynamoDBClient:
    """A client of an account that holds the table. The store's tests override it with `engine`."""
    return moto


@pytest.fixture(scope="session")
def local_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBClient]:
    """A client of DynamoDB Local. Without it a test is skipped, which CI counts as failed."""
    if reason := dynamodb_local.unavailable():
        pytest.skip(reason)
    with dynamodb_local.running(tmp_path_factory.mktemp("dynamodb-local") / "log") as endpoint:
        # As many connections as the largest test has threads.
        yield session().client("dynamodb", endpoint_url=endpoint, config=Config(max_pool_connections=32))


@pytest.fixture
def local(local_client: DynamoDBClient) -> Iterator[DynamoDBClient]:
    """DynamoDB Local with nothing but an empty table."""
    make_table(local_client)
    yield local_client
    local_client.delete_table(TableName=TABLE)


@pytest.fixture(params=["moto", "local"])
def engine(request: pytest.FixtureRequest) -> DynamoDBClient:
    """A client of an empty table: once on moto, once on AWS's own engine."""
    client: DynamoDBClient = request.getfixturevalue(request.param)
    return client


@pytest.fixture
def fixture(aws: boto3.Session, moto: DynamoDBClient) -> ControllerFixture:
    return ControllerFixture(aws, moto, TABLE)


@pytest.fixture
def store(dynamodb: DynamoDBClient) -> Store:
    return Store(TABLE, dynamodb, clock=lambda: NOW)


@dataclass
class Agents:
    """The SSM agents of all hosts: `pings` is what SSM knows of them, `invocations` what commands came to."""

    pings: dict[str, str] = field(default_factory=dict)
    invocations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def did(self, command: str, host: str, status: str, output: str = "", details: str = "") -> None:
        """What SSM lists of a host's part in a command."""
        self.invocations.setdefault(command, []).append(
            {
                "CommandId": command,
                "InstanceId": host,
                "Status": status,
                "StatusDetails": details or status,
                "CommandPlugins": [{"Name": "run", "Status": status, "Output": output}],
            }
        )

    def answer_for(self, client: SSMClient) -> None:
        """Answer these two operations of this client from now on."""
        # A handler that returns an answer replaces the call; botocore's stubs declare that none does.
        events: Any = client.meta.events
        events.register("before-call.ssm.DescribeInstanceInformation", self._information)
        events.register("before-call.ssm.ListCommandInvocations", self._list)

    def _information(self, params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
        agents = [{"InstanceId": host, "PingStatus": ping} for host, ping in self.pings.items()]
        return self._page(params, "InstanceInformationList", agents)

    def _list(self, params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
        command = json.loads(params["body"])["CommandId"]
        return self._page(params, "CommandInvocations", self.invocations.get(command, []))

    def _page(self, params: dict[str, Any], name: str, items: list[Any]) -> tuple[Any, dict[str, Any]]:
        request = json.loads(params["body"])
        self.asked.append(request)
        start = int(request.get("NextToken", 0))
        answer: dict[str, Any] = {name: items[start : start + PAGE]}
        if start + PAGE < len(items):
            answer["NextToken"] = str(start + PAGE)
        return SimpleNamespace(status_code=200), answer


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture
def ec2(aws: boto3.Session) -> EC2Client:
    return ec2_client()


@pytest.fixture
def ssm(aws: boto3.Session, agents: Agents) -> SSMClient:
    """A client of an account that holds the document."""
    client = aws.client("ssm")
    steps = [{"action": "aws:runShellScript", "name": "run", "inputs": {"runCommand": ["true"]}}]
    content = json.dumps({"schemaVersion": "2.2", "description": "test", "mainSteps": steps})
    client.create_document(Content=content, Name=DOCUMENT, DocumentType="Command")
    agents.answer_for(client)
    return client


@pytest.fixture
def fleet(ssm: SSMClient, ec2: EC2Client) -> Fleet:
    return Fleet(DOCUMENT, "$LATEST", ssm, ec2)
