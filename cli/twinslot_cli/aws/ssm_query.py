"""A question to an app's hosts, by one of the document's verbs that change nothing, and their answers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from twinslot.aws.calling import code

from twinslot_cli.aws.stack import Stack

TAG = "twinslot"
DELIVERY_SECONDS = 30
"""The least that SSM takes."""

ANSWER_SECONDS = 90
PAUSE_SECONDS = 0.5
UNDER_WAY = ("Pending", "InProgress", "Delayed", "Cancelling")
MAX_HOSTS = 50
"""More instances SendCommand does not take by name; that many hosts are asked at most."""


@dataclass(frozen=True)
class Answer:
    """What a host printed; `ok` is False when the command failed there, and `problem` says how."""

    host: str
    ok: bool
    text: str
    problem: str = ""


def running(stack: Stack, app: str) -> list[dict[str, Any]]:
    """The running instances that bear the app's tag, as EC2 describes them. Raises ClientError."""
    pages = stack.client("ec2").get_paginator("describe_instances")
    found = pages.paginate(
        Filters=[
            {"Name": f"tag:{TAG}", "Values": [app]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
    )
    instances = [one for page in found for each in page["Reservations"] for one in each["Instances"]]
    return sorted(instances, key=lambda instance: str(instance["InstanceId"]))


def pings(stack: Stack, app: str) -> dict[str, str]:
    """What SSM says of the agents of the app's hosts: `Online`, or not. Raises ClientError."""
    pages = stack.client("ssm").get_paginator("describe_instance_information")
    found = pages.paginate(Filters=[{"Key": f"tag:{TAG}", "Values": [app]}])
    return {one["InstanceId"]: one["PingStatus"] for page in found for one in page["InstanceInformationList"]}


def ask(stack: Stack, app: str, verb: str, hosts: list[str], given: Mapping[str, str]) -> list[Answer]:
    """Let the hosts do `verb` and wait for what they print, in the order of the hosts. Raises ClientError."""
    ssm = stack.client("ssm")
    parameters = {"verb": verb, "app": app, "step": verb, **given}
    sent = ssm.send_command(
        DocumentName=stack.output("HostDocumentName"),
        DocumentVersion="$LATEST",
        InstanceIds=hosts[:MAX_HOSTS],
        Parameters={name: [value] for name, value in parameters.items()},
        Comment=f"twinslot {app} {verb}",
        TimeoutSeconds=DELIVERY_SECONDS,
    )
    command = sent["Command"]["CommandId"]
    deadline = time.monotonic() + ANSWER_SECONDS
    return [_answer(ssm, command, host, deadline) for host in hosts[:MAX_HOSTS]]


def _answer(ssm: Any, command: str, host: str, deadline: float) -> Answer:
    while True:
        try:
            told = ssm.get_command_invocation(CommandId=command, InstanceId=host)
            if told["Status"] not in UNDER_WAY:
                break
        except ClientError as error:
            # An invocation shows some moments after the command was sent.
            if code(error) != "InvocationDoesNotExist":
                raise
        if time.monotonic() > deadline:
            return Answer(host, False, "", f"it did not answer within {ANSWER_SECONDS} s")
        time.sleep(PAUSE_SECONDS)
    text = str(told.get("StandardOutputContent", ""))
    if told["Status"] == "Success":
        return Answer(host, True, text)
    details = told.get("StatusDetails") or told["Status"]
    return Answer(host, False, text, f"the command ended as {details}")
