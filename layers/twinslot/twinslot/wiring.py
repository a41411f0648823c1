"""Builds the controller, once per container: clients, names from the environment, the system clock."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields

import boto3

from twinslot.announce.publish import Announcer
from twinslot.aws.artifacts import Artifacts
from twinslot.aws.fleet import Fleet
from twinslot.aws.parameters import SettingsReader
from twinslot.aws.store import Store
from twinslot.controller import Controller
from twinslot.errors import GiveUp


@dataclass(frozen=True)
class Environment:
    """The variables that the template sets. `default_app` is "" when no app owns the bucket's root."""

    table: str
    topic: str
    document: str
    document_version: str
    rollback_function: str
    freeze_function: str
    default_app: str

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "Environment":
        """Read the variables, which have the fields' names in capitals. Raises GiveUp for missing ones."""
        names = {field.name: field.name.upper() for field in fields(cls)}
        missing = [name for name in names.values() if not variables.get(name) and name != "DEFAULT_APP"]
        if missing:
            raise GiveUp(
                f"the function's environment has no {', '.join(missing)}; deploy template.yaml again"
            )
        return cls(**{field: variables.get(name, "") for field, name in names.items()})


def assemble() -> Controller:
    """Return the controller of this function. Raises GiveUp when an environment variable is missing."""
    names = Environment.read(os.environ)
    session = boto3.Session()
    ssm = session.client("ssm")
    return Controller(
        store=Store(names.table, session.client("dynamodb")),
        fleet=Fleet(names.document, names.document_version, ssm, session.client("ec2")),
        artifacts=Artifacts(session.client("s3")),
        announcer=Announcer(
            names.topic, names.rollback_function, names.freeze_function, session.client("sns")
        ),
        settings=SettingsReader(ssm),
        clock=time.time,
    )
