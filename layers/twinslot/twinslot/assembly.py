"""Puts the controller together, once for each container: clients, names from the environment, the clock."""

import time

import boto3

from twinslot.announcements import Announcer
from twinslot.artifacts import Artifacts
from twinslot.controller import Controller
from twinslot.fleet import Fleet
from twinslot.settings import Environment, SettingsReader
from twinslot.store import Store


def assemble() -> Controller:
    """The controller of this function. Raises GiveUp when an environment variable is missing."""
    environment = Environment.read()
    session = boto3.Session()
    return Controller(
        store=Store(environment.table, session.client("dynamodb")),
        fleet=Fleet(environment.document, environment.document_version, session.client("ssm"), session.client("ec2")),
        artifacts=Artifacts(session.client("s3")),
        announcer=Announcer(environment.topic, environment.rollback_function, session.client("sns")),
        settings=SettingsReader(session.client("ssm")),
        clock=time.time,
    )
