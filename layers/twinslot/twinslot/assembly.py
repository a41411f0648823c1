"""Puts the controller together, once for each container: clients, names from the environment, the clock."""

import os
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
    names = Environment.read(os.environ)
    session = boto3.Session()
    ssm = session.client("ssm")
    return Controller(
        store=Store(names.table, session.client("dynamodb")),
        fleet=Fleet(names.document, names.document_version, ssm, session.client("ec2")),
        artifacts=Artifacts(session.client("s3")),
        announcer=Announcer(names.topic, names.rollback_function, names.hold_function, session.client("sns")),
        settings=SettingsReader(ssm),
        clock=time.time,
    )
