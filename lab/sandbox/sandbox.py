"""AWS and EC2 on this machine, for tests, the demo and people.

    with Sandbox() as sandbox:
        host = sandbox.add_host("shop")                     # a machine tagged twinslot=shop
        sandbox.boot(instance_id)                           # the machine of an instance of the stack
        sandbox.set("shop", {"bake_seconds": 5})            # the application's settings
        sandbox.upload(Path("shop-1.4.2.jar"), "shop/shop-1.4.2.jar")
        live = sandbox.wait_for("shop", "LIVE", seconds=60) # live.data is for programs, live.text for people
        sandbox.invoke("Rollback", {"app": "shop"})         # raises FunctionError when the function fails
        host.address, host.machine, host.instance_id
        sandbox.endpoint, sandbox.outputs, sandbox.client("s3"), sandbox.variables()
        sandbox.invocations, sandbox.announcements, sandbox.deployments("shop")
        sandbox.run_command.commands()

Nothing bypasses the stack: functions are invoked by the events that the template routes to them, and hosts
act on SSM commands only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from boto3.dynamodb.types import TypeDeserializer

from lab.project import ROOT
from lab.sandbox.account import Account, Listener, Pace
from lab.sandbox.hosts import ec2_host as hosts
from lab.sandbox.hosts.ec2_host import Host
from lab.sandbox.hosts.machine import STATE, Rack, unavailable
from lab.sandbox.services.lambda_functions import Invocation
from lab.sandbox.services.run_command import RunCommand
from lab.sandbox.services.sns import Announcement, Announcements

__all__ = ["FunctionError", "Host", "Listener", "Pace", "Sandbox", "unavailable"]


class FunctionError(Exception):
    """A function that was invoked raised an error: `kind` is its type, the text its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Sandbox:
    """The account and the machines, as a context manager. Only one can exist in a process at a time.

    `java` is whether hosts of the stack have a Java from the start; Amazon's images have none. Entering
    raises RuntimeError where machines cannot be booted; `unavailable()` returns the reason beforehand.
    """

    def __init__(
        self,
        *,
        template: Path = ROOT / "template.yaml",
        parameters: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        listener: Listener | None = None,
        java: bool = True,
    ) -> None:
        self._template = template
        self._parameters = dict(parameters or {})
        self._pace = pace or Pace()
        self._listener = listener or Listener()
        self._java = java
        self._cleanup = ExitStack()
        self._aws: Account | None = None
        self._rack: Rack | None = None
        self.hosts: list[Host] = []

    def __enter__(self) -> Self:
        logs = STATE / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for old in logs.glob("*.log"):
            old.unlink()
        try:
            self._rack = self._cleanup.enter_context(Rack())
            self._aws = Account(
                self._rack.gateway, self._template, self._parameters, logs, self._pace, self._listener
            )
            self._cleanup.callback(self._aws.close)
            for instance in self._aws.stack.of_kind("AWS::EC2::Instance"):
                self.boot(instance.id, java=self._java)
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def aws(self) -> Account:
        """Return the account. Raises RuntimeError outside of the context."""
        if self._aws is None:
            raise RuntimeError("the sandbox is not running: use it as a context manager")
        return self._aws

    @property
    def endpoint(self) -> str:
        return self.aws.endpoint

    @property
    def outputs(self) -> dict[str, str]:
        return self.aws.outputs

    @property
    def invocations(self) -> list[Invocation]:
        """Return the invocations that have ended, in order."""
        return self.aws.invocations

    @property
    def announcements(self) -> Announcements:
        return self.aws.announcements

    @property
    def run_command(self) -> RunCommand:
        return self.aws.run_command

    def client(self, service: str) -> Any:
        """Return a boto3 client of the account's operator."""
        return self.aws.client(service)

    def variables(self) -> dict[str, str]:
        """Return the environment variables for an AWS CLI or SDK."""
        return self.aws.variables()

    def add_host(self, app: str, tags: Mapping[str, str] | None = None) -> Host:
        """Boot a host of the application and wait until its agent is online."""
        host = hosts.launch(self.aws, self._machines, app, tags or {})
        self.hosts.append(host)
        return host

    def boot(self, instance: str, *, java: bool = True) -> Host:
        """Boot the machine of an EC2 instance and wait until its agent is online."""
        host = hosts.boot(self.aws, self._machines, instance, java=java)
        self.hosts.append(host)
        return host

    @property
    def _machines(self) -> Rack:
        if self._rack is None:
            raise RuntimeError("the sandbox is not running: use it as a context manager")
        return self._rack

    def add_hosts(self, apps: Sequence[str]) -> list[Host]:
        """Boot several hosts in parallel; return them in the order of the applications."""
        with ThreadPoolExecutor(max_workers=len(apps)) as pool:
            return list(pool.map(self.add_host, apps))

    def terminate(self, host: Host) -> None:
        self.hosts.remove(host)
        hosts.terminate(self.aws, host)

    def set(self, app: str, settings: Mapping[str, Any]) -> None:
        """Write the application's settings as an operator does."""
        self.client("ssm").put_parameter(
            Name=f"/twinslot/apps/{app}", Value=json.dumps(settings), Type="String", Overwrite=True
        )

    def upload(self, jar: Path, key: str) -> str:
        """Upload a jar to the artifact bucket; return the version id."""
        with jar.open("rb") as body:
            put = self.client("s3").put_object(Bucket=self.outputs["ArtifactBucket"], Key=key, Body=body)
        version: str = put["VersionId"]
        return version

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Invoke a function by its name in the template; return its answer. Raises FunctionError."""
        name = self.aws.stack.resources[function].id
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionError(result["errorType"], result["errorMessage"])
        return result

    def wait_for(
        self,
        app: str,
        outcome: str,
        seconds: float,
        wanted: Callable[[Announcement], bool] = lambda announcement: True,
        after: int = 0,
    ) -> Announcement:
        """Return the application's first announcement of this outcome after the first `after` of all.

        Raises TimeoutError with what was announced instead.
        """
        attributes = {"app": app, "outcome": outcome}
        return self.announcements.wait_for(
            lambda each: attributes.items() <= each.attributes.items() and wanted(each), seconds, after
        )

    def deployments(self, app: str) -> list[dict[str, Any]]:
        """Return the application's history from the table, the oldest first."""
        pages = (
            self.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.outputs["StateTable"],
                KeyConditionExpression="pk = :app AND begins_with(sk, :deployment)",
                ExpressionAttributeValues={":app": {"S": f"APP#{app}"}, ":deployment": {"S": "DEPLOYMENT#"}},
            )
        )
        plain = TypeDeserializer().deserialize
        return [
            {name: plain(value) for name, value in item.items()} for page in pages for item in page["Items"]
        ]
