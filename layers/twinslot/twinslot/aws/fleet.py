"""SSM: finds an app's hosts, sends them commands, and reads the results.

SSM's status of a whole command is not used: a tag that matches nothing is a "Success", and so is a command
that some hosts never received. Every expected host is judged by its own invocation and its own report.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twinslot.aws import hosts
from twinslot.aws.calling import calling
from twinslot.domain.model import Deployment, HostResult, Release, Step, plain
from twinslot.errors import BadReport, CommandRefused, GiveUp
from twinslot.intake import report
from twinslot.intake.sanitize import sanitize
from twinslot.intake.upload import APP

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import CommandInvocationTypeDef, SendCommandRequestTypeDef

DELIVERY_SECONDS = 60
"""How long SSM tries to deliver a command to an agent."""

CLOCK_SKEW_SECONDS = 300

REASONS = {
    "DeliveryTimedOut": f"its SSM agent did not take the command within {DELIVERY_SECONDS} s; is it running?",
    "ExecutionTimedOut": "the command ran for longer than its document allows and was killed",
    "TimedOut": "the command timed out",
    "Undeliverable": "SSM could not deliver the command: the host is gone or its agent does not respond",
    "Cancelled": "the command was cancelled in SSM",
    "Canceled": "the command was cancelled in SSM",
    "Terminated": "SSM gave up before it reached this host, because others had failed",
    "InvalidPlatform": "the document does not run on this host's platform",
    "AccessDenied": "SSM has no permission to command this host; check its tag and its instance profile",
    "Failed": "the command failed",
}
"""The reason of a failure, by the StatusDetails of an invocation (spaces removed).
https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html"""


class Fleet:
    """The hosts of every app, through one SSM document at one version."""

    def __init__(self, document: str, document_version: str, ssm: SSMClient, ec2: EC2Client) -> None:
        self._document = document
        self._document_version = document_version
        self._ssm = ssm
        self._ec2 = ec2

    def hosts(self, app: str) -> tuple[tuple[str, ...], tuple[HostResult, ...]]:
        """Return the app's running instances that can be commanded, and for each one that cannot, why.

        Raises TryAgain, and GiveUp when this function has no permission to look.
        """
        with calling(f"looking for the hosts of {app}", GiveUp):
            running = [instance["InstanceId"] for instance in hosts.running_hosts(self._ec2, app)]
            pings = hosts.ping_statuses(self._ssm, app)
        online = tuple(host for host in running if pings.get(host) == hosts.ONLINE)
        return online, tuple(_offline(host, pings.get(host)) for host in running if host not in online)

    def app_of(self, instance: str) -> str | None:
        """Return the app in a running instance's tag; None for an invalid tag, or no such instance.

        Raises TryAgain, and GiveUp when this function has no permission to look.
        """
        with calling(f"looking for the app of {instance}", GiveUp):
            found = hosts.running(self._ec2, {"Name": "instance-id", "Values": [instance]})
        tags = {tag["Key"]: tag["Value"] for each in found for tag in each.get("Tags", ())}
        app = tags.get(hosts.TAG, "")
        return app if APP.fullmatch(app) else None

    def send(self, deployment: Deployment, step: Step, *, repeat: bool) -> str:
        """Send the deployment's step to its hosts; return the id of the command.

        SendCommand takes no idempotency token: a `repeat` first looks for the command that an earlier call
        sent, and returns its id. Raises TryAgain, and CommandRefused when SSM will never accept it.
        """
        with calling(f"sending {step.name} to the hosts of {deployment.app}", CommandRefused):
            sent = self._sent(deployment, step) if repeat else None
            values = parameters(deployment, step)
            return sent or self._command(deployment.app, deployment.hosts, values, comment(deployment, step))

    def request_reports(self, app: str, instances: tuple[str, ...]) -> str:
        """Send the command `report` to the hosts; return its id. Raises as `send` does."""
        values = {"verb": ["report"], "app": [app], "step": ["report"]}
        with calling(f"requesting reports from the hosts of {app}", CommandRefused):
            return self._command(app, instances, values, f"twinslot {app} report")

    def reports(self, app: str, command: str) -> tuple[HostResult, ...]:
        """Return the result of a command `report` for each host it was sent to. Raises TryAgain, GiveUp."""
        invocations = self._invocations(command)
        return tuple(_result(invocations[host], app, "report", "") for host in sorted(invocations))

    def results(self, deployment: Deployment, command: str) -> tuple[HostResult, ...]:
        """Return the results so far of the command of the deployment's step, in the order of its hosts.

        On a host that SSM does not list (yet), the command is in progress. Raises TryAgain, and GiveUp.
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
        """Return the invocation of a command for each host that it was sent to."""
        with calling(f"reading the results of the command {command}", GiveUp):
            return {
                invocation["InstanceId"]: invocation
                for page in self._ssm.get_paginator("list_command_invocations").paginate(
                    CommandId=command, Details=True
                )
                for invocation in page["CommandInvocations"]
            }

    def _command(
        self, app: str, instances: tuple[str, ...], parameters: dict[str, list[str]], comment: str
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
        if len(instances) <= hosts.MAX_INSTANCE_IDS:
            request["InstanceIds"] = instances
        else:
            request["Targets"] = [{"Key": f"tag:{hosts.TAG}", "Values": [app]}]
        return self._ssm.send_command(**request)["Command"]["CommandId"]

    def _sent(self, deployment: Deployment, step: Step) -> str | None:
        """Return the id of the newest command that was sent for this step, found by its comment."""
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
    """Return the comment by which a command is recognised in SSM; at most 100 characters."""
    return f"twinslot {deployment.id} {step.name}"


def parameters(deployment: Deployment, step: Step) -> dict[str, list[str]]:
    """Return the document's parameters, which docs/host.md describes.

    Raises CommandRefused when the release of the step is not known.
    """
    before = deployment.live_before.release if deployment.live_before else None
    release = before if step.name.startswith("revert") else deployment.release
    if release is None:
        raise CommandRefused(f"the step {step.name} of the deployment {deployment.id} has no release")
    values = {
        "verb": step.verb,
        "app": deployment.app,
        "step": step.name,
        "deployment": deployment.id,
        "fence": str(deployment.fence),
        "release": _release(release),
        "previous": _release(before) if before and step.verb == "bake" else "",
        "settings": _packed(plain(deployment.settings)),
    }
    return {name: [value] for name, value in values.items()}


def _release(release: Release) -> str:
    return _packed(plain(release))


def _packed(fields: Mapping[str, object]) -> str:
    """Return unpadded base64url of JSON: no character has a meaning to a shell, a pattern or SSM."""
    return urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def _offline(host: str, ping: str | None) -> HostResult:
    if ping is None:
        reason = (
            "it is not registered with SSM: if it was just launched, upload again in a minute; otherwise"
            " install the SSM agent and attach an instance profile with the stack's host policy"
        )
    else:
        reason = f"its SSM agent is {ping}, not {hosts.ONLINE}; is amazon-ssm-agent running there?"
    return HostResult(host, False, reason)


def _result(invocation: CommandInvocationTypeDef, app: str, step: str, deployment: str) -> HostResult:
    """Return the result on one host, from its invocation's status and its report."""
    host, status = invocation["InstanceId"], invocation["Status"]
    if status in hosts.IN_PROGRESS:
        return HostResult(host, None)
    details = invocation.get("StatusDetails", "").replace(" ", "") or status
    explanation = REASONS.get(details, f"the command ended with the status {sanitize(details, 100)}")
    outputs = [plugin.get("Output", "") for plugin in invocation.get("CommandPlugins", [])]
    output = next((output for output in reversed(outputs) if output), "")
    if status != "Success" and not output:
        return HostResult(host, False, explanation)
    try:
        printed = report.read(output, host, app, step, deployment)
    except BadReport as error:
        return HostResult(host, False, str(error) if status == "Success" else f"{explanation}; {error}")
    if status == "Success" and printed.ok:
        return HostResult(host, True, printed.reason, printed.log, printed)
    return HostResult(host, False, printed.reason or explanation, printed.log, printed)
