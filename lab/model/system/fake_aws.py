"""The AWS clients that the controller gets: DynamoDB, SSM, EC2, SNS. Every call goes to one FakeAws.

They support what the real store, fleet, report reader and announcer use, and refuse everything else.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, Protocol

from botocore.exceptions import ClientError, ReadTimeoutError

from lab.model.system.calls import Call, Lost, Put, Sending
from lab.model.system.host import SLOTS, Part, Report, Slot
from lab.model.system.items import item, number

HOSTS = ("i-0000000a", "i-0000000b", "i-0000000c")
APP = "shop"


class CallFailure(StrEnum):
    """How a call can fail: AWS did nothing, or AWS did it and the answer is lost."""

    THROTTLED = "throttled"
    UNANSWERED = "unanswered"


class FakeAws(Protocol):
    """Applies a call to the state and returns its answer. While it `replays`, the items of a write are not
    needed, and encoding them is most of the work."""

    fleet_size: int

    @property
    def replays(self) -> bool: ...

    def ask(self, call: Call) -> Any: ...


def answer_of(fake_aws: FakeAws, call: Call) -> Any:
    """Return the answer; raise a CallFailure as botocore does."""
    answer = fake_aws.ask(call)
    if answer is CallFailure.THROTTLED:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slower"}}, call.kind)
    if answer is CallFailure.UNANSWERED:
        raise ReadTimeoutError(endpoint_url="aws")
    return answer


class Cancelled(ClientError):
    """DynamoDB's TransactionCanceledException."""


class Pages:
    """A paginator whose answer is one page."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        yield self.answer(**request)


class DynamoDB:
    """The three operations that the store uses, with the conditions that it uses."""

    exceptions = SimpleNamespace(TransactionCanceledException=Cancelled)

    def __init__(self, fake_aws: FakeAws) -> None:
        self.fake_aws = fake_aws

    def get_item(self, *, TableName: str, Key: dict[str, Any], ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        if not ConsistentRead:
            raise NotImplementedError("a read that may be stale")
        found = answer_of(self.fake_aws, Call("get", (Key["pk"]["S"], Key["sk"]["S"])))
        return {} if found is None else {"Item": item(found)}

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        # Hosts' last reports are for people: no controller reads them, so that their order does not matter.
        writes = [write["Put"] for write in TransactItems if not _is_report(write["Put"])]
        if not writes:
            return {}
        puts = () if self.fake_aws.replays else tuple(_put(put) for put in writes)
        lost = answer_of(self.fake_aws, Call("write", puts))
        if lost is None:
            return {}
        reason: dict[str, Any] = {"Code": "ConditionalCheckFailed"}
        if isinstance(lost, Lost) and lost.found is not None:
            reason["Item"] = item(lost.found)
        error: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": [reason]}
        raise Cancelled(error, "TransactWriteItems")

    def get_paginator(self, operation: str) -> Pages:
        return Pages({"query": self._query}[operation])

    def _query(self, **query: Any) -> dict[str, Any]:
        if query.get("IndexName") == "busy":
            wanted = query["ExpressionAttributeValues"][":busy"]["S"]
            found = answer_of(self.fake_aws, Call("apps", wanted))
            return {"Items": [{"pk": item(held)["pk"]} for held in found]}
        values = query["ExpressionAttributeValues"]
        if query["KeyConditionExpression"] != "pk = :app AND begins_with(sk, :deployment)":
            raise NotImplementedError(query["KeyConditionExpression"])
        found = [item(held) for held in answer_of(self.fake_aws, Call("history", values[":app"]["S"]))]
        wanted = query.get("FilterExpression")
        if wanted == "#outcome = :live AND #kind <> :join AND #release.#label = :label":
            found = [
                held
                for held in found
                if held["outcome"] == values[":live"]
                and held["kind"] != values[":join"]
                and held["release"].get("M", {}).get("label") == values[":label"]
            ]
        elif wanted is not None:
            raise NotImplementedError(wanted)
        return {"Items": found}


def _is_report(put: dict[str, Any]) -> bool:
    return str(put["Item"]["sk"]["S"]).startswith("HOST#")


def _put(put: dict[str, Any]) -> Put:
    condition = put.get("ConditionExpression")
    held: dict[str, Any] = put["Item"]
    expected = None
    if condition == "attribute_not_exists(pk)":
        expected = 0
    elif condition == "version = :version":
        expected = int(put["ExpressionAttributeValues"][":version"]["N"])
    elif condition is not None:
        raise NotImplementedError(condition)
    return Put((held["pk"]["S"], held["sk"]["S"]), number(held), expected)


class SSM:
    """Run Command; all hosts are online."""

    def __init__(self, fake_aws: FakeAws) -> None:
        self.fake_aws = fake_aws

    def send_command(self, **request: Any) -> dict[str, Any]:
        values = {name: value for name, (value,) in request["Parameters"].items()}
        sending = Sending(
            tuple(HOSTS.index(host) for host in request["InstanceIds"]),
            values.get("deployment", ""),
            values["step"],
            values["verb"],
            int(values.get("fence", "0")),
            _label(values.get("release")) or "",
            _label(values.get("previous")),
        )
        return {"Command": {"CommandId": answer_of(self.fake_aws, Call("send", sending))}}

    def get_paginator(self, operation: str) -> Pages:
        return Pages(
            {
                "describe_instance_information": self._agents,
                "list_commands": self._commands,
                "list_command_invocations": self._invocations,
            }[operation]
        )

    def _agents(self, **_: Any) -> dict[str, Any]:
        agents = [{"InstanceId": host, "PingStatus": "Online"} for host in HOSTS[: self.fake_aws.fleet_size]]
        return {"InstanceInformationList": agents}

    def _commands(self, **_: Any) -> dict[str, Any]:
        sent = answer_of(self.fake_aws, Call("commands"))
        began = datetime(2026, 1, 1, tzinfo=UTC)
        return {
            "Commands": [
                {
                    "CommandId": command,
                    "Comment": "twinslot {} {}".format(*command.split("/")),
                    "RequestedDateTime": began + timedelta(seconds=int(command.rpartition("/")[2])),
                }
                for command in sent
            ]
        }

    def _invocations(self, *, CommandId: str, Details: bool) -> dict[str, Any]:  # noqa: N803
        parts = answer_of(self.fake_aws, Call("results", CommandId))
        sent = [(host, part) for host, part in zip(HOSTS, parts, strict=False) if part.sent]
        return {"CommandInvocations": [_invocation(host, part, CommandId) for host, part in sent]}


def _invocation(host: str, part: Part, command: str) -> dict[str, Any]:
    status = "Pending" if not part.over else "Success" if part.report and part.report.ok else "Failed"
    return {
        "InstanceId": host,
        "Status": status,
        "StatusDetails": status,
        "CommandPlugins": [{"Name": "run", "Output": _output(host, part.report, command)}],
    }


def _output(host: str, report: Report | None, command: str) -> str:
    """Return the line that a host prints."""
    if report is None:
        return ""
    deployment, step, _ = command.split("/")
    named = () if report.live is None else (SLOTS[report.live],)
    printed = {
        "twinslot": 1,
        "host": host,
        "app": APP,
        "verb": "flip" if step.startswith("revert") else step,
        "step": step,
        "deployment": "" if step == "report" else deployment,
        "fence": 0,
        "ok": report.ok,
        "reason": "" if report.ok else f"{step} failed",
        "log": [],
        "live": next(iter(named), None),
        "standby": False,
        "slots": {name: _slot(slot) for name, slot in zip(SLOTS, report.slots, strict=True)},
        "sha256": digest_of(report.release) if report.release else None,
        "seconds": {},
    }
    return json.dumps(printed)


def _slot(slot: Slot) -> dict[str, Any]:
    return {
        "release": slot.release and digest_of(slot.release),
        "label": slot.release,
        "state": "active" if slot.verified else "inactive",
        "verified": slot.verified,
        "pid": 1 if slot.verified else 0,
        "restarts": 0,
    }


def digest_of(release: str) -> str:
    """Return a release's SHA-256."""
    return sha256(release.encode()).hexdigest()


def _label(packed: str | None) -> str | None:
    """Return the label of a release in a command's parameters, which is unique here."""
    if not packed:
        return None
    return str(json.loads(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))["label"])


class EC2:
    """The app's hosts, all running."""

    def __init__(self, fake_aws: FakeAws) -> None:
        self.fake_aws = fake_aws

    def get_paginator(self, operation: str) -> Pages:
        return Pages({"describe_instances": self._instances}[operation])

    def _instances(self, *, Filters: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        wanted = {each["Name"]: each["Values"] for each in Filters}
        tags = [{"Key": "twinslot", "Value": APP}]
        hosts = HOSTS[: self.fake_aws.fleet_size]
        found = [host for host in hosts if host in wanted.get("instance-id", hosts)]
        return {"Reservations": [{"Instances": [{"InstanceId": host, "Tags": tags} for host in found]}]}


class SNS:
    """One topic."""

    def __init__(self, fake_aws: FakeAws) -> None:
        self.fake_aws = fake_aws

    def publish(self, *, Message: str, MessageAttributes: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        attributes = {name: value["StringValue"] for name, value in MessageAttributes.items()}
        published = (attributes["announcement"], attributes["outcome"], number(Message))
        answer_of(self.fake_aws, Call("publish", published))
        return {}
