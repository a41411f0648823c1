"""The stack that a command is about, found by its name, and clients that speak with its parts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from twinslot.aws.calling import code
from twinslot.aws.store import Store
from twinslot.intake.sanitize import quoted
from twinslot.intake.upload import APP

from twinslot_cli.aws.errors import CannotWork, explained

CONNECT_SECONDS = 5
ANSWER_SECONDS = 20
INVOKE_SECONDS = 60
"""Longer than the functions may run."""

MAX_BY_CHARACTERS = 64
NO_REGION = "no AWS region is set: set AWS_REGION to the stack's, for example AWS_REGION=eu-central-1"


class Refusal(Exception):
    """A function that was called raised an error of this kind."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Stack:
    """The AWS account of the user's credentials, and in it the stack called `stack`.

    Everything raises CannotWork where the user has to do something first.
    """

    def __init__(self, stack: str) -> None:
        self.stack = stack
        if not stack:
            raise CannotWork("the stack's name is empty: name it by --stack or TWINSLOT_STACK")
        try:
            # All AWS tools but boto3 heed AWS_REGION, before AWS_DEFAULT_REGION and the profile:
            # https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
            self.session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        except BotoCoreError as error:
            raise CannotWork(explained(error)) from error
        if not self.session.region_name:
            raise CannotWork(NO_REGION)

    @cache  # noqa: B019 (an account lives as long as the program)
    def client(self, service: str) -> Any:
        """A client of one of AWS's services. Functions are called once and never again: a second rollback
        would go forth."""
        once = service == "lambda"
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=INVOKE_SECONDS if once else ANSWER_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 1 if once else 4},
            user_agent_extra="twinslot",
        )
        try:
            return self.session.client(service, config=config)  # type: ignore[call-overload]  # stubs want a literal
        except BotoCoreError as error:
            raise CannotWork(explained(error)) from error
        except ValueError as error:  # what botocore makes of an address that is none
            raise CannotWork(
                f"the AWS settings cannot be used ({error}): look at AWS_ENDPOINT_URL"
            ) from error

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """What CloudFormation says of the stack."""
        try:
            return dict(self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0])
        except ClientError as error:
            if code(error) == "ValidationError":
                raise CannotWork(
                    f"there is no stack {quoted(self.stack)} in {self.session.region_name}: name it by"
                    " --stack or TWINSLOT_STACK, and its region by AWS_REGION"
                ) from error
            raise CannotWork(explained(error)) from error
        except BotoCoreError as error:
            raise CannotWork(explained(error)) from error

    def output(self, name: str) -> str:
        """One of the stack's outputs."""
        for output in self.description.get("Outputs", []):
            if output["OutputKey"] == name:
                return str(output["OutputValue"])
        raise CannotWork(
            f"the stack {quoted(self.stack)} ({self.description['StackStatus']}) has no output {name}: it is"
            " not twinslot's, or older than this program; deploy template.yaml"
        )

    @cached_property
    def store(self) -> Store:
        """The stack's table."""
        return Store(self.output("StateTable"), self.client("dynamodb"))

    @cached_property
    def caller(self) -> str:
        """Who the credentials are of, as short as people are called: `alice`, or `deployer/alice`."""
        arn = str(self.client("sts").get_caller_identity()["Arn"])
        name = arn.rpartition(":")[2].removeprefix("assumed-role/").removeprefix("user/")
        return (
            "".join(character for character in name if character.isprintable())[-MAX_BY_CHARACTERS:]
            or "somebody"
        )

    def apps(self) -> list[str]:
        """The applications that have a live release or something under way."""
        return sorted({*self.store.busy_apps(), *self.store.idle_apps()})

    def invoke(self, output: str, payload: Mapping[str, object]) -> dict[str, Any]:
        """Call the function that an output names and wait for its answer. Raises Refusal for its errors."""
        given = {name: value for name, value in payload.items() if value is not None}
        answer = self.client("lambda").invoke(
            FunctionName=self.output(output), Payload=json.dumps(given).encode()
        )
        try:
            told = json.loads(answer["Payload"].read() or b"null")
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Refusal("Unreadable", f"the function {self.output(output)} gave no answer that can be read")
        if "FunctionError" in answer:
            kind, text = told.get("errorType", "Error"), told.get("errorMessage", "it does not say why")
            raise Refusal(str(kind), str(text))
        return told


def named(app: str) -> str:
    """The name of an application as a person wrote it. Raises CannotWork when none can be called so."""
    if not APP.fullmatch(app):
        raise CannotWork(
            f"{quoted(app)} is no name of an application: a lower-case letter, then at most 29 lower-case"
            " letters, digits or hyphens"
        )
    return app
