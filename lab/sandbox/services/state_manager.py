"""SSM State Manager: an association runs a document on each instance that it targets, when the instance's
agent comes online, and at once on those that are online when it is created.

A run reaches the agent as a command does, but Run Command's calls and events do not contain it. Its state is
in an event of its own and in DescribeInstanceAssociationsStatus.

- https://docs.aws.amazon.com/systems-manager/latest/userguide/state-manager-associations.html
- events: https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.sandbox.api.requests import ApiError
from lab.sandbox.services import documents
from lab.sandbox.services.eventbridge import EventBus
from lab.sandbox.services.run_command import Change, Command, Invocation, RunCommand
from lab.sandbox.services.ssm_api import iso, read_document, tags_of_running_instances
from lab.sandbox.stack.moto_backends import ACCOUNT, LOCK, REGION
from lab.sandbox.stack.resources import account_arn

CHANGED = "EC2 State Manager Instance Association State Change"
DELIVERY_SECONDS = 3600


@dataclass(frozen=True)
class Association:
    """The properties of an AWS::SSM::Association."""

    document: str
    document_version: str
    parameters: dict[str, list[str]]
    targets: list[dict[str, Any]]
    created: float
    name: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class StateManager:
    """All associations. `came_online` has to be called when an agent polls for the first time."""

    def __init__(self, run_command: RunCommand, bus: EventBus) -> None:
        self._run_command = run_command
        self._bus = bus
        self._associations: dict[str, Association] = {}

    def associate(self, association: Association) -> None:
        """Create an association. Raises ApiError for an unknown target, document or parameter."""
        with LOCK:
            _, content = read_document(association.document, association.document_version)
        documents.values(content, association.parameters)
        for target in association.targets:
            _is_met(target, {})
        self._associations[association.id] = association
        self._run(association, list(self._run_command.agents()))

    def came_online(self, instance: str) -> None:
        """Run the associations that target this instance."""
        for association in list(self._associations.values()):
            self._run(association, [instance])

    def changed(self, change: Change) -> None:
        """Emit the event for a run's new state on an instance."""
        if change.instance is None:
            return
        association = self._associations[change.command.association]
        invocation = change.command.invocations[change.instance]
        succeeded = invocation.ended if change.status == "Success" else 0.0
        self._bus.emit(
            "aws.ssm",
            CHANGED,
            [
                f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{change.instance}",
                account_arn("ssm", f"document/{association.document}"),
            ],
            {
                "association-id": association.id,
                "instance-id": change.instance,
                "document-name": association.document,
                "document-version": change.command.document_version,
                "targets": json.dumps(
                    [{"key": each["Key"], "values": each["Values"]} for each in association.targets]
                ),
                "creation-date": iso(association.created),
                "last-successful-execution-date": iso(succeeded),
                "last-execution-date": iso(invocation.ended or invocation.started),
                "status": change.status,
                "detailed-status": invocation.details,
                "error-code": "",
                "execution-summary": _summary(change.status),
                "output-url": "",
                "instance-association-cwe-version": "1.0",
            },
        )

    def describe_instance_associations_status(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the newest run of each association on one instance, as the API call of this name."""
        instance = parameters["InstanceId"]
        newest = [
            next((run for run in self._run_command.runs(each.id) if instance in run.invocations), None)
            for each in self._associations.values()
        ]
        return {"InstanceAssociationStatusInfos": [self._described(run, instance) for run in newest if run]}

    def _described(self, run: Command, instance: str) -> dict[str, Any]:
        association, invocation = self._associations[run.association], run.invocations[instance]
        return {
            "AssociationId": association.id,
            "AssociationName": association.name,
            "AssociationVersion": "1",
            "Name": association.document,
            "DocumentVersion": run.document_version,
            "InstanceId": instance,
            "ExecutionDate": invocation.ended or invocation.started or run.requested,
            "Status": invocation.status,
            "DetailedStatus": invocation.details,
            "ExecutionSummary": _summary(invocation.status),
        }

    def _run(self, association: Association, instances: list[str]) -> None:
        with LOCK:
            tags = tags_of_running_instances()
            version, content = read_document(association.document, association.document_version)
        targeted = [
            instance
            for instance in instances
            if instance in tags and all(_is_met(each, tags[instance]) for each in association.targets)
        ]
        script = documents.script(content, documents.values(content, association.parameters))
        # One run per host: a slow host does not delay the others.
        for instance in targeted:
            invocations = {instance: Invocation(instance)}
            self._run_command.send(
                Command(
                    association.document,
                    version,
                    association.parameters,
                    script,
                    {},
                    DELIVERY_SECONDS,
                    invocations,
                    association.id,
                )
            )


def _is_met(target: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Return whether an instance with these tags is targeted. Raises ApiError for an unsupported target."""
    key, values = target["Key"], target["Values"]
    if key == "tag-key":
        return any(value in tags for value in values)
    if key.startswith("tag:"):
        return tags.get(key.removeprefix("tag:")) in values
    raise ApiError("InvalidTarget", f"the sandbox supports targets by tag-key and tag:NAME only, not {key}")


def _summary(status: str) -> str:
    """Return the summary in the agent's words (agent/association/processor/processor.go)."""
    counts = ", ".join(
        f"{int(status == counted)} {name}"
        for counted, name in (("Success", "success"), ("Failed", "failed"), ("TimedOut", "timedout"))
    )
    return f"1 out of 1 plugin processed, {counts}, 0 skipped. "
