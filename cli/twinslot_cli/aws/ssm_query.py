"""Query an app's hosts: run one of the document's verbs that change nothing, and return what they print."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from twinslot.aws.calling import code

from twinslot_cli.aws.stack import Stack

TAG = "twinslot"
DELIVERY_TIMEOUT_SECONDS = 30
"""SSM's minimum."""

ANSWER_TIMEOUT_SECONDS = 90
POLL_SECONDS = 0.5
UNDER_WAY = ("Pending", "InProgress", "Delayed", "Cancelling")
MAX_HOSTS = 50
"""SendCommand's maximum of instance ids: only the first 50 hosts are queried."""


@dataclass(frozen=True)
class Answer:
    """A host's output; `ok` is False when the command failed there, and `problem` is SSM's reason."""

    host: str
    ok: bool
    output: str
    problem: str = ""


def running(stack: Stack, app: str) -> list[dict[str, Any]]:
    """Return the running instances tagged for the app, as EC2 describes them. Raises ClientError."""
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
    """Return the status of the SSM agent of each of the app's hosts: `Online`, or not. Raises ClientError."""
    pages = stack.client("ssm").get_paginator("describe_instance_information")
    found = pages.paginate(Filters=[{"Key": f"tag:{TAG}", "Values": [app]}])
    return {one["InstanceId"]: one["PingStatus"] for page in found for one in page["InstanceInformationList"]}


def query(
    stack: Stack, app: str, verb: str, hosts: Sequence[str], parameters: Mapping[str, str]
) -> list[Answer]:
    """Run `verb` on the hosts and wait for their answers, in the order of the hosts. Raises ClientError."""
    ssm = stack.client("ssm")
    given = {"verb": verb, "app": app, "step": verb, **parameters}
    sent = ssm.send_command(
        DocumentName=stack.output("HostDocumentName"),
        DocumentVersion="$LATEST",
        InstanceIds=hosts[:MAX_HOSTS],
        Parameters={name: [value] for name, value in given.items()},
        Comment=f"twinslot {app} {verb}",
        TimeoutSeconds=DELIVERY_TIMEOUT_SECONDS,
    )
    command = sent["Command"]["CommandId"]
    deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
    return [_answer(ssm, command, host, deadline) for host in hosts[:MAX_HOSTS]]


def _answer(ssm: Any, command: str, host: str, deadline: float) -> Answer:
    while True:
        try:
            invocation = ssm.get_command_invocation(CommandId=command, InstanceId=host)
            if invocation["Status"] not in UNDER_WAY:
                break
        except ClientError as error:
            # An invocation exists only some moments after its command was sent.
            if code(error) != "InvocationDoesNotExist":
                raise
        if time.monotonic() > deadline:
            return Answer(host, False, "", f"no answer within {ANSWER_TIMEOUT_SECONDS} s")
        time.sleep(POLL_SECONDS)
    output = str(invocation.get("StandardOutputContent", ""))
    if invocation["Status"] == "Success":
        return Answer(host, True, output)
    details = invocation.get("StatusDetails") or invocation["Status"]
    return Answer(host, False, output, f"the command ended with the status {details}")
