"""SSM and EC2: the only importer of them. Finds an app's hosts, sends them commands, reads what came of it.

SSM's own verdict on a command is not asked for: a tag that matches nothing is a "Success", and so is a
command that some hosts never got. Every expected host is judged by its own invocation and its own report.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twinslot.aws.calling import calling
from twinslot.domain.model import Deployment, HostResult, Release, Step
from twinslot.errors import BadReport, CommandRefused, GiveUp
from twinslot.intake import report
from twinslot.intake.sanitize import sanitize
from twinslot.intake.upload import APP

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import CommandInvocationTypeDef, SendCommandRequestTypeDef

TAG = "twinslot"
MAX_INSTANCE_IDS = 50
"""More than SendCommand takes by name are targeted by their tag."""

DELIVERY_SECONDS = 60
"""How long SSM tries to hand a command to an agent."""

CLOCK_SKEW_SECONDS = 300

UNDER_WAY = ("Pending", "InProgress", "Delayed", "Cancelling")
REASONS = {
    "DeliveryTimedOut": f"its SSM agent did not take the command within {DELIVERY_SECONDS} s: is it running?",
    "ExecutionTimedOut": "the command ran for longer than its document allows and was killed",
    "TimedOut": "the command timed out",
    "Undeliverable": "SSM could not deliver the command: the host is gone or its agent does not answer",
    "Cancelled": "the command was cancelled in SSM",
    "Canceled": "the command was cancelled in SSM",
    "Terminated": "SSM gave up before it reached this host, because others had failed",
    "InvalidPlatform": "the document does not run on this host's platform",
    "AccessDenied": "SSM may not command this host: look at its tag and its instance profile",
    "Failed": "the command failed",
}
"""What an invocation's StatusDetails (spaces left out) mean to a person.
https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html"""


class Fleet:
    """The hosts of every app, through one SSM document at one version."""

    def __init__(self, document: str, document_version: str, ssm: SSMClient, ec2: EC2Client) -> None:
        self._document = document
        self._document_version = document_version
        self._ssm = ssm
        self._ec2 = ec2

    def hosts(self, app: str) -> tuple[tuple[str, ...], tuple[HostResult, ...]]:
        """The app's running instances that can be commanded, and for each one that cannot, why.

        Raises TryAgain, and GiveUp when AWS does not let this function look.
        """
        with calling(f"looking for the hosts of {app}", GiveUp):
            running = sorted(
                instance["InstanceId"]
                for page in self._ec2.get_paginator("describe_instances").paginate(
                    Filters=[
                        {"Name": f"tag:{TAG}", "Values": [app]},
                        {"Name": "instance-state-name", "Values": ["running"]},
                    ]
                )
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            )
            pings = {
                agent["InstanceId"]: agent["PingStatus"]
                for page in self._ssm.get_paginator("describe_instance_information").paginate(
                    Filters=[{"Key": f"tag:{TAG}", "Values": [app]}]
                )
                for agent in page["InstanceInformationList"]
            }
        online = tuple(host for host in running if pings.get(host) == "Online")
        return online, tuple(_offline(host, pings.get(host)) for host in running if host not in online)

    def app_of(self, instance: str) -> str | None:
        """The app that a running instance bears the tag of; None for one that bears no app's, or is gone.

        Raises TryAgain, and GiveUp when AWS does not let this function look.
        """
        with calling(f"looking whose host {instance} is", GiveUp):
            tags = {
                tag["Key"]: tag["Value"]
                for page in self._ec2.get_paginator("describe_instances").paginate(
                    Filters=[
                        {"Name": "instance-id", "Values": [instance]},
                        {"Name": "instance-state-name", "Values": ["running"]},
                    ]
                )
                for reservation in page["Reservations"]
                for found in reservation["Instances"]
                for tag in found.get("Tags", ())
            }
        app = tags.get(TAG, "")
        return app if APP.fullmatch(app) else None

    def send(self, deployment: Deployment, step: Step, *, repeat: bool) -> str:
        """Tell the deployment's hosts to do its step; the id of the command.

        SendCommand takes no token: a `repeat` first looks for the command that an earlier call sent, and
        takes it for its own. Raises TryAgain, and CommandRefused when SSM will never take it.
        """
        with calling(f"sending {step.name} to the hosts of {deployment.app}", CommandRefused):
            sent = self._sent(deployment, step) if repeat else None
            orders = parameters(deployment, step)
            return sent or self._command(deployment.app, deployment.hosts, orders, comment(deployment, step))

    def ask(self, app: str, hosts: tuple[str, ...]) -> str:
        """Tell the hosts to report how things stand; the id of the command. Raises as `send` does."""
        question = {"verb": ["report"], "app": [app], "step": ["report"]}
        with calling(f"asking the hosts of {app} for a report", CommandRefused):
            return self._command(app, hosts, question, f"twinslot {app} report")

    def reports(self, app: str, command: str) -> tuple[HostResult, ...]:
        """What a command `report` came to on each host that it was sent to. Raises TryAgain, and GiveUp."""
        invocations = self._invocations(command)
        return tuple(_result(invocations[host], app, "report", "") for host in sorted(invocations))

    def results(self, deployment: Deployment, command: str) -> tuple[HostResult, ...]:
        """What the command of the deployment's step came to so far on each of its hosts, in their order.

        A host that SSM does not list (yet) is under way. Raises TryAgain, and GiveUp.
        """
        invocations = self._invocations(command)
        step = deployment.step.name if deployment.step else ""
        return tuple(
            _result(invocations[host], deployment.app, step, deployment.id)
            if host in invocations
            else HostResult(host, None)
            for host in deployment.hosts
        )

    def _invocations(self, command: str) -> dict[str, CommandInvocationTypeDef]:
        """What SSM knows of a command on each host that it was sent to."""
        with calling(f"reading what became of command {command}", GiveUp):
            return {
                invocation["InstanceId"]: invocation
                for page in self._ssm.get_paginator("list_command_invocations").paginate(
                    CommandId=command, Details=True
                )
                for invocation in page["CommandInvocations"]
            }

    def _command(
        self, app: str, hosts: tuple[str, ...], parameters: dict[str, list[str]], comment: str
    ) -> str:
        request: SendCommandRequestTypeDef = {
            "DocumentName": self._document,
            "DocumentVersion": self._document_version,
            "Parameters": parameters,
            "Comment": comment,
            "TimeoutSeconds": DELIVERY_SECONDS,
            "MaxConcurrency": "100%",
            "MaxErrors": "100%",
        }
        if len(hosts) <= MAX_INSTANCE_IDS:
            request["InstanceIds"] = hosts
        else:
            request["Targets"] = [{"Key": f"tag:{TAG}", "Values": [app]}]
        return self._ssm.send_command(**request)["Command"]["CommandId"]

    def _sent(self, deployment: Deployment, step: Step) -> str | None:
        """The id of the newest command that was sent for this step, by its comment."""
        since = datetime.fromtimestamp(deployment.timeline[-1].at - CLOCK_SKEW_SECONDS, UTC)
        commands = [
            command
            for page in self._ssm.get_paginator("list_commands").paginate(
                Filters=[
                    {"key": "InvokedAfter", "value": since.strftime("%Y-%m-%dT%H:%M:%SZ")},
                    {"key": "DocumentName", "value": self._document},
                ]
            )
            for command in page["Commands"]
            if command.get("Comment") == comment(deployment, step)
        ]
        newest = max(commands, key=lambda command: command["RequestedDateTime"], default=None)
        return newest["CommandId"] if newest else None


def comment(deployment: Deployment, step: Step) -> str:
    """What a command is recognised by in SSM; at most 100 characters."""
    return f"twinslot {deployment.id} {step.name}"


def parameters(deployment: Deployment, step: Step) -> dict[str, list[str]]:
    """The document's parameters, as docs/host.md has them.

    Raises CommandRefused when the release that the step is about is not known.
    """
    before = deployment.live_before.release if deployment.live_before else None
    release = before if step.name.startswith("revert") else deployment.release
    if release is None:
        raise CommandRefused(f"{step.name} of {deployment.id}: there is no release that it could be about")
    values = {
        "verb": step.verb,
        "app": deployment.app,
        "step": step.name,
        "deployment": deployment.id,
        "fence": str(deployment.fence),
        "release": _release(release),
        "previous": _release(before) if before and step.verb == "bake" else "",
        "settings": _packed(asdict(deployment.settings)),
    }
    return {name: [value] for name, value in values.items()}


def _release(release: Release) -> str:
    return _packed(asdict(release))


def _packed(fields: Mapping[str, object]) -> str:
    """Unpadded base64url of JSON: no character that a shell, a pattern or SSM could misread."""
    return urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def _offline(host: str, ping: str | None) -> HostResult:
    if ping is None:
        reason = (
            "it is not registered with SSM: if it has just started, upload again in a minute; else install"
            " the SSM agent and give it an instance profile for it"
        )
    else:
        reason = f"its SSM agent is {ping}, not Online: is amazon-ssm-agent running there?"
    return HostResult(host, False, reason)


def _result(invocation: CommandInvocationTypeDef, app: str, step: str, deployment: str) -> HostResult:
    """One host's part, by its invocation's status and its report."""
    host, status = invocation["InstanceId"], invocation["Status"]
    if status in UNDER_WAY:
        return HostResult(host, None)
    details = invocation.get("StatusDetails", "").replace(" ", "") or status
    explanation = REASONS.get(details, f"the command ended as {sanitize(details, 100)}")
    outputs = [plugin.get("Output", "") for plugin in invocation.get("CommandPlugins", [])]
    output = next((output for output in reversed(outputs) if output), "")
    if status != "Success" and not output:
        return HostResult(host, False, explanation)
    try:
        told = report.read(output, host, app, step, deployment)
    except BadReport as error:
        return HostResult(host, False, str(error) if status == "Success" else f"{explanation}; {error}")
    if status == "Success" and told.ok:
        return HostResult(host, True, told.reason, told.log, told)
    return HostResult(host, False, told.reason or explanation, told.log, told)
