"""Query an app's hosts: run one of the document's verbs that change nothing, and return what they print."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from twinslot.aws.calling import code
from twinslot.aws.hosts import IN_PROGRESS, MAX_INSTANCE_IDS

from twinslot_cli.aws.stack import Stack

DELIVERY_TIMEOUT_SECONDS = 30
"""SSM's minimum."""

ANSWER_TIMEOUT_SECONDS = 90
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Answer:
    """A host's output; `ok` is False when the command failed there, and `problem` is SSM's reason."""

    host: str
    ok: bool
    output: str
    problem: str = ""


def query(
    stack: Stack, app: str, verb: str, hosts: Sequence[str], parameters: Mapping[str, str]
) -> list[Answer]:
    """Run `verb` on the hosts and wait for their answers, in the order of the hosts. Raises ClientError.

    SendCommand takes at most MAX_INSTANCE_IDS hosts; the others are left out.
    """
    ssm = stack.client("ssm")
    given = {"verb": verb, "app": app, "step": verb, **parameters}
    sent = ssm.send_command(
        DocumentName=stack.output("HostDocumentName"),
        DocumentVersion="$LATEST",
        InstanceIds=hosts[:MAX_INSTANCE_IDS],
        Parameters={name: [value] for name, value in given.items()},
        Comment=f"twinslot {app} {verb}",
        TimeoutSeconds=DELIVERY_TIMEOUT_SECONDS,
    )
    command = sent["Command"]["CommandId"]
    deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
    return [_answer(ssm, command, host, deadline) for host in hosts[:MAX_INSTANCE_IDS]]


def _answer(ssm: Any, command: str, host: str, deadline: float) -> Answer:
    while True:
        try:
            invocation = ssm.get_command_invocation(CommandId=command, InstanceId=host)
            if invocation["Status"] not in IN_PROGRESS:
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
