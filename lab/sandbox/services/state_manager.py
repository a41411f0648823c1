"""SSM State Manager: an association runs a document on each instance that it targets, when its agent comes
online; on those that are, when it is made.

A run reaches the agent as a command does, and is none to Run Command: neither its calls nor its events tell
of it. What is told is the state of each instance's association, in an event and by its own call.

- https://docs.aws.amazon.com/systems-manager/latest/userguide/state-manager-associations.html
- the events: https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html
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
from lab.sandbox.services.ssm_api import iso, read_document, tags_of_living_instances
from lab.sandbox.stack.moto_backends import ACCOUNT, LOCK, REGION
from lab.sandbox.stack.resources import account_arn

CHANGED = "EC2 State Manager Instance Association State Change"
DELIVERY_SECONDS = 3600


@dataclass(frozen=True)
class Association:
    """What an AWS::SSM::Association says."""

    document: str
    document_version: str
    parameters: dict[str, list[str]]
    targets: list[dict[str, Any]]
    created: float
    name: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class StateManager:
    """All associations. Whoever sees an agent ask for the first time calls `came_online`."""

    def __init__(self, run_command: RunCommand, bus: EventBus) -> None:
        self._run_command = run_command
        self._bus = bus
        self._associations: dict[str, Association] = {}

    def associate(self, association: Association) -> None:
        """Make an association. Raises ApiError for a target, a document or a parameter that is not known."""
        with LOCK:
            _, content = read_document(association.document, association.document_version)
        documents.values(content, association.parameters)
        for target in association.targets:
            _is_met(target, {})
        self._associations[association.id] = association
        self._run(association, list(self._run_command.agents()))

    def came_online(self, instance: str) -> None:
        """Run what targets this instance."""
        for association in list(self._associations.values()):
            self._run(association, [instance])

    def changed(self, change: Change) -> None:
        """Tell EventBridge of what became of a run on an instance."""
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
        """The call of that name: the newest run of each association on one instance."""
        instance = parameters["InstanceId"]
        newest = [
            next((run for run in self._run_command.runs(each.id) if instance in run.invocations), None)
            for each in self._associations.values()
        ]
        return {"InstanceAssociationStatusInfos": [self._told(run, instance) for run in newest if run]}

    def _told(self, run: Command, instance: str) -> dict[str, Any]:
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
            tags = tags_of_living_instances()
            version, content = read_document(association.document, association.document_version)
        targeted = [
            instance
            for instance in instances
            if instance in tags and all(_is_met(each, tags[instance]) for each in association.targets)
        ]
        script = documents.script(content, documents.values(content, association.parameters))
        # One a host: what one of them is slow at changes nothing for the others.
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
    """Whether an instance with these tags is one of the target's. Raises ApiError for an unknown target."""
    key, values = target["Key"], target["Values"]
    if key == "tag-key":
        return any(value in tags for value in values)
    if key.startswith("tag:"):
        return tags.get(key.removeprefix("tag:")) in values
    raise ApiError("InvalidTarget", f"the sandbox knows targets by tag-key and tag:NAME only, not {key}")


def _summary(status: str) -> str:
    """As the agent words it (agent/association/processor/processor.go)."""
    counts = ", ".join(
        f"{int(status == counted)} {name}"
        for counted, name in (("Success", "success"), ("Failed", "failed"), ("TimedOut", "timedout"))
    )
    return f"1 out of 1 plugin processed, {counts}, 0 skipped. "
