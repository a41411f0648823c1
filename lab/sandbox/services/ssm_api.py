"""The SSM calls that moto does not implement: SendCommand, and those that return commands and agents.

Shapes and errors: https://docs.aws.amazon.com/systems-manager/latest/APIReference/
"""

import re
from datetime import UTC, datetime
from typing import Any

from lab.sandbox.api.requests import ApiError
from lab.sandbox.services import documents
from lab.sandbox.services.eventbridge import EventBus
from lab.sandbox.services.run_command import Change, Command, Invocation, RunCommand
from lab.sandbox.stack.moto_backends import ACCOUNT, LOCK, REGION, backend

MAX_INSTANCE_IDS = 50
SHORT_OUTPUT_CHARACTERS = 2500
ERROR_TITLE = "\n----------ERROR-------\n"
SHORT_TRUNCATED = "\n---Output truncated---"

SEND_KEYS = frozenset(
    {
        "Comment",
        "DocumentName",
        "DocumentVersion",
        "InstanceIds",
        "MaxConcurrency",
        "MaxErrors",
        "Parameters",
        "Targets",
        "TimeoutSeconds",
    }
)


class SsmApi:
    """The API's calls: each takes the parameters and returns the result, or raises ApiError."""

    def __init__(self, run_command: RunCommand) -> None:
        self._run_command = run_command

    def send_command(self, parameters: dict[str, Any]) -> dict[str, Any]:
        _check_keys(parameters, SEND_KEYS)
        seconds = parameters.get("TimeoutSeconds", 3600)
        if not 30 <= seconds <= 2_592_000:
            raise ApiError("ValidationException", f"TimeoutSeconds is not from 30 to 2592000: {seconds}")
        if len(parameters.get("Comment", "")) > 100:
            raise ApiError("ValidationException", "Comment has more than 100 characters")
        name = parameters["DocumentName"].rpartition("document/")[2]
        with LOCK:
            version, content = read_document(name, parameters.get("DocumentVersion"))
            instances = self._targets(parameters)
        given = parameters.get("Parameters", {})
        script = documents.script(content, documents.values(content, given))
        _all_at_once(parameters, len(instances))
        command = Command(
            name,
            version,
            given,
            script,
            parameters,
            seconds,
            {instance: Invocation(instance) for instance in instances},
        )
        answer = {"Command": _described(command)}
        self._run_command.send(command)
        return answer

    def list_commands(self, parameters: dict[str, Any]) -> dict[str, Any]:
        _check_keys(parameters, {"CommandId", "InstanceId", "Filters", "MaxResults", "NextToken"})
        wanted, instance = parameters.get("CommandId"), parameters.get("InstanceId")
        found = [
            command
            for command in self._run_command.commands()
            if wanted in (None, command.id)
            and (instance is None or instance in command.invocations)
            and all(_passes(command, each["key"], each["value"]) for each in parameters.get("Filters", []))
        ]
        if wanted and not found:
            raise ApiError("InvalidCommandId", f"no such command: {wanted}")
        return _page([_described(command) for command in found], "Commands", parameters)

    def list_command_invocations(self, parameters: dict[str, Any]) -> dict[str, Any]:
        _check_keys(parameters, {"CommandId", "InstanceId", "Details", "MaxResults", "NextToken"})
        wanted, instance = parameters.get("CommandId"), parameters.get("InstanceId")
        found = [
            _described_invocation(command, invocation, parameters.get("Details", False))
            for command in self._run_command.commands()
            if wanted in (None, command.id)
            for invocation in command.invocations.values()
            if instance in (None, invocation.instance)
        ]
        return _page(found, "CommandInvocations", parameters)

    def get_command_invocation(self, parameters: dict[str, Any]) -> dict[str, Any]:
        _check_keys(parameters, {"CommandId", "InstanceId", "PluginName"})
        command = self._run_command.find(parameters["CommandId"])
        invocation = command.invocations.get(parameters["InstanceId"]) if command else None
        if command is None or invocation is None:
            raise ApiError("InvocationDoesNotExist", "the command was not sent to this instance")
        return {
            "CommandId": command.id,
            "InstanceId": invocation.instance,
            "Comment": command.request.get("Comment", ""),
            "DocumentName": command.document,
            "DocumentVersion": command.document_version,
            "PluginName": command.script.step,
            "ResponseCode": invocation.exit_code,
            "ExecutionStartDateTime": iso(invocation.started),
            "ExecutionEndDateTime": iso(invocation.ended),
            "Status": invocation.status,
            "StatusDetails": invocation.details,
            "StandardOutputContent": invocation.stdout,
            "StandardErrorContent": invocation.stderr,
        }

    def cancel_command(self, parameters: dict[str, Any]) -> dict[str, Any]:
        _check_keys(parameters, {"CommandId", "InstanceIds"})
        command = self._run_command.find(parameters["CommandId"])
        if command is None:
            raise ApiError("InvalidCommandId", f"no such command: {parameters['CommandId']}")
        self._run_command.cancel(command, parameters.get("InstanceIds", []))
        return {}

    def describe_instance_information(self, parameters: dict[str, Any]) -> dict[str, Any]:
        _check_keys(parameters, {"Filters", "MaxResults", "NextToken"})
        with LOCK:
            tags = tags_of_running_instances()
        found = []
        for instance, agent in self._run_command.agents().items():
            status = "Online" if self._run_command.is_online(agent) else "ConnectionLost"
            facts = {"InstanceIds": instance, "PingStatus": status, "ResourceType": "EC2Instance"}
            if instance in tags and all(
                _meets(each, facts, tags[instance]) for each in parameters.get("Filters", [])
            ):
                found.append(
                    {
                        "InstanceId": instance,
                        "PingStatus": status,
                        "LastPingDateTime": agent.last_ping,
                        "ResourceType": "EC2Instance",
                        "IPAddress": agent.address,
                        "ComputerName": agent.name,
                        "IsLatestVersion": True,
                        "PlatformType": "Linux",
                        **agent.platform,
                    }
                )
        return _page(found, "InstanceInformationList", parameters)

    def _targets(self, parameters: dict[str, Any]) -> list[str]:
        """Return the instances that a command is sent to. Raises ApiError for one that is not managed."""
        ids, targets = parameters.get("InstanceIds", []), parameters.get("Targets", [])
        if bool(ids) == bool(targets):
            raise ApiError("ValidationException", "pass either InstanceIds or Targets")
        tags, managed = tags_of_running_instances(), self._run_command.agents()
        if targets:
            return [
                instance
                for instance, tagged in tags.items()
                if instance in managed
                and all(_has_tag(tagged, target["Key"], target["Values"]) for target in targets)
            ]
        if len(ids) > MAX_INSTANCE_IDS:
            raise ApiError("ValidationException", f"InstanceIds takes at most 50 ids, not {len(ids)}")
        strange = [instance for instance in ids if instance not in tags or instance not in managed]
        if strange:
            raise ApiError(
                "InvalidInstanceId", f"Instances {strange} not in a valid state for account {ACCOUNT}"
            )
        return list(dict.fromkeys(ids))


def announce(bus: EventBus, change: Change) -> None:
    """Emit a change as SSM's event (events spell Canceled what the API spells Cancelled)."""
    command = change.command
    status = "Canceled" if change.status == "Cancelled" else change.status
    detail: dict[str, Any] = {
        "command-id": command.id,
        "document-name": command.document,
        "requested-date-time": iso(command.requested),
        "status": status,
    }
    if change.instance:
        resources, kind = [change.instance], "EC2 Command Invocation Status-change Notification"
        detail["instance-id"] = change.instance
    else:
        resources, kind = list(command.invocations), "EC2 Command Status-change Notification"
        detail |= {"expire-after": iso(command.expires_after), "parameters": command.parameters}
    bus.emit(
        "aws.ssm", kind, [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{each}" for each in resources], detail
    )


def read_document(name: str, version: str | None) -> tuple[str, dict[str, Any]]:
    """Return a document's version and content. Hold LOCK. Raises ApiError when it does not exist."""
    found = backend("ssm")._documents.get(name)
    if found is None:
        raise ApiError("InvalidDocument", f"no such document: {name}")
    if version in (None, "$DEFAULT"):
        document = found.get_default_version()
    elif version == "$LATEST":
        document = found.get_latest_version()
    else:
        document = found.versions.get(version)
        if document is None:
            raise ApiError("InvalidDocumentVersion", f"the document {name} has no version {version}")
    return document.document_version, document.content_json


def tags_of_running_instances() -> dict[str, dict[str, str]]:
    """Return the tags of the running instances by instance id. Hold LOCK."""
    return {
        instance.id: {tag["key"]: tag["value"] for tag in instance.get_tags()}
        for reservation in backend("ec2").all_reservations()
        for instance in reservation.instances
        if instance.state == "running"
    }


def _has_tag(tags: dict[str, str], key: str, values: list[str]) -> bool:
    if not key.startswith("tag:"):
        raise ApiError("ValidationException", f"the sandbox supports targets by tag:NAME only, not {key}")
    return tags.get(key.removeprefix("tag:")) in values


def _meets(filter_: dict[str, Any], facts: dict[str, str], tags: dict[str, str]) -> bool:
    key, values = filter_["Key"], filter_["Values"]
    if key.startswith("tag:"):
        return _has_tag(tags, key, values)
    if key == "tag-key":
        return any(value in tags for value in values)
    if key not in facts:
        raise ApiError("InvalidFilterKey", f"the sandbox does not support the filter {key}")
    return facts[key] in values


def _passes(command: Command, key: str, value: str) -> bool:
    """Return whether a command passes one of ListCommands' filters."""
    match key:
        case "Status":
            return command.status == value
        case "DocumentName":
            return command.document == value
        case "InvokedAfter":
            return command.requested > datetime.fromisoformat(value).timestamp()
        case "InvokedBefore":
            return command.requested < datetime.fromisoformat(value).timestamp()
        case _:
            raise ApiError("InvalidFilterKey", f"the sandbox does not support the filter {key}")


def _all_at_once(parameters: dict[str, Any], hosts: int) -> None:
    """Raise ApiError for a command to fewer hosts at a time than all, which the sandbox does not support."""
    concurrency = str(parameters.get("MaxConcurrency", "50"))
    many = re.fullmatch(r"\d+", concurrency) and int(concurrency) >= hosts
    if concurrency != "100%" and not many:
        raise ApiError(
            "ValidationException", f"the sandbox cannot send to {hosts} hosts {concurrency} at a time"
        )


def _described(command: Command) -> dict[str, Any]:
    request = command.request
    finished = [each for each in command.invocations.values() if each.finished]
    return {
        "CommandId": command.id,
        "DocumentName": command.document,
        "DocumentVersion": command.document_version,
        "Comment": request.get("Comment", ""),
        "ExpiresAfter": command.expires_after,
        "Parameters": command.parameters,
        "InstanceIds": request.get("InstanceIds", []),
        "Targets": request.get("Targets", []),
        "RequestedDateTime": command.requested,
        "Status": command.status,
        "StatusDetails": command.details,
        "MaxConcurrency": request.get("MaxConcurrency", "50"),
        "MaxErrors": request.get("MaxErrors", "0"),
        "TargetCount": len(command.invocations),
        "CompletedCount": len(finished),
        "ErrorCount": sum(each.status == "Failed" for each in finished),
        "DeliveryTimedOutCount": sum(each.details == "DeliveryTimedOut" for each in finished),
        "TimeoutSeconds": command.delivery_seconds,
    }


def _described_invocation(command: Command, invocation: Invocation, details: bool) -> dict[str, Any]:
    plugin = {
        "Name": command.script.step,
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "ResponseCode": invocation.exit_code,
        "Output": _short_output(invocation.stdout, invocation.stderr),
    }
    if invocation.started:
        plugin["ResponseStartDateTime"] = invocation.started
    if invocation.ended:
        plugin["ResponseFinishDateTime"] = invocation.ended
    return {
        "CommandId": command.id,
        "InstanceId": invocation.instance,
        "InstanceName": "",
        "Comment": command.request.get("Comment", ""),
        "DocumentName": command.document,
        "DocumentVersion": command.document_version,
        "RequestedDateTime": command.requested,
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "CommandPlugins": [plugin] if details and invocation.started else [],
    }


def _short_output(stdout: str, stderr: str) -> str:
    """Return standard output and error in the 2,500 characters of ListCommandInvocations."""
    text = stdout + (ERROR_TITLE + stderr if stderr else "")
    if len(text) <= SHORT_OUTPUT_CHARACTERS:
        return text
    return text[: SHORT_OUTPUT_CHARACTERS - len(SHORT_TRUNCATED)] + SHORT_TRUNCATED


def _page(found: list[dict[str, Any]], name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    begin, size = int(parameters.get("NextToken") or 0), parameters.get("MaxResults", 50)
    page: dict[str, Any] = {name: found[begin : begin + size]}
    if begin + size < len(found):
        page["NextToken"] = str(begin + size)
    return page


def _check_keys(parameters: dict[str, Any], known: frozenset[str] | set[str]) -> None:
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise ApiError(
            "ValidationException", f"the sandbox does not support the parameter {', '.join(unknown)}"
        )


def iso(at: float) -> str:
    """Return a time as SSM formats it in texts; "" for 0."""
    if not at:
        return ""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
