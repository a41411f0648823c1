"""The twinslot stack that a command works on, found by its name, and clients of the services in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError
from twinslot.aws.calling import code
from twinslot.aws.store import Store
from twinslot.domain.model import Application
from twinslot.errors import TwinslotError
from twinslot.intake.sanitize import quoted
from twinslot.intake.upload import APP

from twinslot_cli.aws.errors import CannotWork, explain

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
INVOKE_TIMEOUT_SECONDS = 60
"""Longer than the timeout of each function."""

MAX_CALLER_CHARACTERS = 64


class Stack:
    """A twinslot stack, in the account and region of the user's AWS settings.

    Every method raises CannotWork where the user has to change something first.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        if not name:
            raise CannotWork("the stack's name is empty: set --stack or TWINSLOT_STACK")
        try:
            # All AWS tools but boto3 heed AWS_REGION, before AWS_DEFAULT_REGION and the profile:
            # https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
            self._session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        except BotoCoreError as error:
            raise CannotWork(explain(error)) from error
        if not self._session.region_name:
            raise CannotWork(explain(NoRegionError()))

    @cache  # noqa: B019 (a stack lives as long as the program)
    def client(self, service: str) -> Any:
        """Return a client of an AWS service. Lambda's never retries: a second rollback would roll forward."""
        is_lambda = service == "lambda"
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=INVOKE_TIMEOUT_SECONDS if is_lambda else READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 1 if is_lambda else 4},
            user_agent_extra="twinslot",
        )
        try:
            return self._session.client(service, config=config)  # type: ignore[call-overload]  # stubs want a literal
        except BotoCoreError as error:
            raise CannotWork(explain(error)) from error
        except ValueError as error:  # raised by botocore for an endpoint that is not a URL
            raise CannotWork(f"the AWS settings cannot be used ({error}): check AWS_ENDPOINT_URL") from error

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """The stack as CloudFormation describes it."""
        try:
            return dict(self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0])
        except ClientError as error:
            if code(error) == "ValidationError":
                raise CannotWork(
                    f"there is no stack {quoted(self.name)} in {self._session.region_name}: set --stack or"
                    " TWINSLOT_STACK to its name, and AWS_REGION to its region"
                ) from error
            raise CannotWork(explain(error)) from error
        except BotoCoreError as error:
            raise CannotWork(explain(error)) from error

    def output(self, name: str) -> str:
        """Return an output of the stack."""
        for output in self.description.get("Outputs", []):
            if output["OutputKey"] == name:
                return str(output["OutputValue"])
        raise CannotWork(
            f"the stack {quoted(self.name)} ({self.description['StackStatus']}) has no output {name}: it is"
            " not a twinslot stack, or an older one; deploy template.yaml"
        )

    @cached_property
    def store(self) -> Store:
        """The stack's DynamoDB table."""
        return Store(self.output("StateTable"), self.client("dynamodb"))

    @cached_property
    def caller(self) -> str:
        """The user or role session of the credentials: `alice`, or `deployer/alice`."""
        arn = str(self.client("sts").get_caller_identity()["Arn"])
        name = arn.rpartition(":")[2].removeprefix("assumed-role/").removeprefix("user/")
        printable = "".join(character for character in name if character.isprintable())
        return printable[-MAX_CALLER_CHARACTERS:] or "somebody"

    def apps(self) -> list[str]:
        """Return the apps that have a live release, a deployment under way or a freeze."""
        return sorted({*self.store.busy_apps(), *self.store.idle_apps()})

    def application(self, app: str) -> Application:
        """Return the state of an app. Raises CannotWork for an invalid name and for an unknown app."""
        application = self.store.load(validate_app(app))
        if application.version == 0:
            raise CannotWork(self.never_deployed(app))
        return application

    def require_known(self, app: str) -> None:
        """Raise CannotWork for an unknown app. An app whose state cannot be read counts as known."""
        with suppress(TwinslotError):
            self.application(app)

    def never_deployed(self, app: str) -> str:
        """Return the message for an unknown app; it names the apps that exist."""
        known = ", ".join(self.apps())
        return f"{app} was never deployed here; there {f'are: {known}' if known else 'is no app yet'}"

    def invoke(self, output: str, app: str, **fields: object) -> dict[str, Any]:
        """Invoke the function that an output names, on behalf of the caller; return its answer.

        Fields that are None are left out. Raises CannotWork when the function refuses or cannot be called.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        payload = json.dumps({"app": validate_app(app), **given, "by": self.caller}).encode()
        try:
            response = self.client("lambda").invoke(FunctionName=self.output(output), Payload=payload)
            answer = json.loads(response["Payload"].read() or b"null")
        except (BotoCoreError, ClientError) as error:
            raise CannotWork(explain(error)) from error
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CannotWork(f"the answer of the function {self.output(output)} cannot be read: see its log")
        if "FunctionError" in response:
            self.require_known(app)
            reason = answer.get("errorMessage", f"{self.output(output)} failed without a reason: see its log")
            raise CannotWork(str(reason))
        return answer


def validate_app(name: str) -> str:
    """Return the name of an app. Raises CannotWork for a name that no app can have."""
    if not APP.fullmatch(name):
        raise CannotWork(
            f"{quoted(name)} is not a valid app name: use a lower-case letter, then at most 29 lower-case"
            " letters, digits or hyphens"
        )
    return name
