"""The payloads in events/ are what AWS sends: the template's rules take them, and so do the functions."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern
from twinslot.intake.upload import parse

ROOT = Path(__file__).parents[2]
Resources = dict[str, dict[str, Any]]
NAMES = {"Artifacts": "twinslot-artifacts-1x2y3z4a5b6c", "HostDocument": "twinslot-host"}
"""What the references in the rules' patterns stand for in the payloads."""


def payload(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return event


def resolved(node: Any) -> Any:
    if isinstance(node, list):
        return [resolved(item) for item in node]
    if isinstance(node, dict):
        return (
            NAMES[node["Ref"]]
            if set(node) == {"Ref"}
            else {key: resolved(item) for key, item in node.items()}
        )
    return node


def is_taken(resources: Resources, rule: str, event: dict[str, Any]) -> bool:
    pattern = resolved(resources[rule]["Properties"]["EventPattern"])
    return EventPattern.load(json.dumps(pattern)).matches_event(event)


def with_detail(event: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {**event, "detail": {**event["detail"], **changes}}


def test_the_upload_payload_passes_the_rule_of_uploads_alone(resources: Resources) -> None:
    event = payload("s3-object-created")
    assert is_taken(resources, "DeployOnUpload", event)
    assert not is_taken(resources, "SsmAndScheduleOnCommandEnded", event)


@pytest.mark.parametrize("key", ["shop/deep/er/shop.jar", "shop.jar", "shop/notes.txt"])
def test_every_key_passes_so_that_the_log_can_say_what_was_ignored(resources: Resources, key: str) -> None:
    event = payload("s3-object-created")
    assert is_taken(
        resources, "DeployOnUpload", with_detail(event, object={**event["detail"]["object"], "key": key})
    )


def test_uploads_to_other_buckets_do_not_pass(resources: Resources) -> None:
    assert not is_taken(
        resources, "DeployOnUpload", with_detail(payload("s3-object-created"), bucket={"name": "photos"})
    )


def test_deletions_do_not_pass(resources: Resources) -> None:
    assert not is_taken(
        resources, "DeployOnUpload", {**payload("s3-object-created"), "detail-type": "Object Deleted"}
    )


@pytest.mark.parametrize("status", ["Success", "Failed", "TimedOut", "Canceled", "Cancelled"])
def test_every_end_of_a_command_passes(resources: Resources, status: str) -> None:
    assert is_taken(
        resources, "SsmAndScheduleOnCommandEnded", with_detail(payload("ssm-command-ended"), status=status)
    )


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Delayed", "Cancelling"])
def test_a_command_under_way_does_not_pass(resources: Resources, status: str) -> None:
    assert not is_taken(
        resources, "SsmAndScheduleOnCommandEnded", with_detail(payload("ssm-command-ended"), status=status)
    )


def test_the_end_on_a_single_host_does_not_pass_so_that_invocations_do_not_grow_with_the_hosts(
    resources: Resources,
) -> None:
    event = {
        **payload("ssm-command-ended"),
        "detail-type": "EC2 Command Invocation Status-change Notification",
    }
    assert not is_taken(resources, "SsmAndScheduleOnCommandEnded", event)


def test_commands_of_other_documents_do_not_pass(resources: Resources) -> None:
    event = with_detail(payload("ssm-command-ended"), **{"document-name": "AWS-RunShellScript"})
    assert not is_taken(resources, "SsmAndScheduleOnCommandEnded", event)


def test_an_association_that_succeeded_on_an_instance_passes_the_rule_of_new_hosts_alone(
    resources: Resources,
) -> None:
    event = payload("ssm-association")
    assert is_taken(resources, "SsmAndScheduleOnHostReady", event)
    assert not is_taken(resources, "SsmAndScheduleOnCommandEnded", event)
    assert not is_taken(resources, "SsmAndScheduleOnHostReady", payload("ssm-command-ended"))


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "Failed"},
        {"status": "Pending"},
        {"status": "InProgress"},
        {"document-name": "AWS-RunShellScript"},
    ],
)
def test_other_ends_and_other_associations_do_not_pass(resources: Resources, changes: dict[str, str]) -> None:
    assert not is_taken(
        resources, "SsmAndScheduleOnHostReady", with_detail(payload("ssm-association"), **changes)
    )


def test_the_upload_and_the_command_are_of_one_deployment() -> None:
    upload = parse(payload("s3-object-created"), default_app="")
    assert upload is not None
    assert upload.app == "shop"
    parameters = payload("ssm-command-ended")["detail"]["parameters"]
    assert parameters["deployment"] == [upload.id]
    packed = parameters["release"][0]
    release = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    assert (release["bucket"], release["key"], release["version"], release["size"]) == (
        upload.bucket,
        upload.key,
        upload.version,
        upload.size,
    )


def test_the_scheduled_check_is_what_the_schedules_rule_sends() -> None:
    tick = payload("schedule")
    assert tick["source"] == "aws.events"
    assert "SsmAndScheduleEachMinute" in tick["resources"][0]


def test_a_rollback_names_an_application_and_nothing_that_the_function_would_refuse() -> None:
    assert payload("rollback") == {"app": "shop"}
    assert payload("rollback-to") == {"app": "shop", "to": "1.4.1"}


def test_what_is_frozen_is_unfrozen() -> None:
    frozen, resumed = payload("freeze"), payload("unfreeze")
    assert (frozen["freeze"], resumed["freeze"]) == (True, False)
    assert frozen["app"] == resumed["app"]
    assert frozen["why"]
