"""What the stack keeps, for how long and how guarded; what it tells the functions and the people."""

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from twinslot.wiring import Environment

Resources = dict[str, dict[str, Any]]

FUNCTIONS = ("Deploy", "SsmAndSchedule", "Rollback", "Freeze", "Widget")


def properties(resources: Resources, name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources[name]["Properties"]
    return found


def test_every_version_of_a_jar_is_kept(resources: Resources) -> None:
    assert properties(resources, "Artifacts")["VersioningConfiguration"] == {"Status": "Enabled"}


def test_jars_are_encrypted_and_private(resources: Resources) -> None:
    bucket = properties(resources, "Artifacts")
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize(
    ("policy", "action"),
    [("ArtifactsPolicy", "s3:*"), ("AnnouncementsPolicy", "sns:Publish"), ("AlarmsPolicy", "sns:Publish")],
)
def test_nothing_goes_over_an_open_line(resources: Resources, policy: str, action: str) -> None:
    denials = [
        statement
        for statement in properties(resources, policy)["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    (denial,) = denials
    assert (denial["Principal"], denial["Action"]) == ("*", action)
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_denial_covers_the_bucket_and_its_objects(resources: Resources) -> None:
    (denial,) = properties(resources, "ArtifactsPolicy")["PolicyDocument"]["Statement"]
    assert denial["Resource"] == [{"Fn::GetAtt": ["Artifacts", "Arn"]}, {"Fn::Sub": "${Artifacts.Arn}/*"}]


def test_the_bucket_sends_its_events_to_eventbridge(resources: Resources) -> None:
    notifications = properties(resources, "Artifacts")["NotificationConfiguration"]
    assert notifications == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_no_lifecycle_rule_takes_what_a_rollback_may_need(resources: Resources) -> None:
    for rule in properties(resources, "Artifacts")["LifecycleConfiguration"]["Rules"]:
        # A current version is never touched, and of the others neither the recent nor the newest hundred.
        assert set(rule) <= {"Id", "Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}
        if "NoncurrentVersionExpiration" in rule:
            assert rule["NoncurrentVersionExpiration"] == {
                "NoncurrentDays": 365,
                "NewerNoncurrentVersions": 100,
            }


@pytest.mark.parametrize("name", ["Artifacts", "Table"])
def test_what_is_live_outlasts_the_stack(resources: Resources, name: str) -> None:
    assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resources[name]["UpdateReplacePolicy"] == "Retain"


def test_the_table_finds_the_busy_applications_and_can_be_restored(resources: Resources) -> None:
    table = properties(resources, "Table")
    (index,) = table["GlobalSecondaryIndexes"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["busy", "pk"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_logs_into_a_group_that_forgets(resources: Resources, function: str) -> None:
    group = properties(resources, function)["LoggingConfig"]["LogGroup"]["Ref"]
    assert group == f"{function}Logs"
    assert properties(resources, group)["RetentionInDays"] == {"Ref": "KeepLogsDays"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_the_variables_that_it_reads(resources: Resources, function: str) -> None:
    variables = properties(resources, function)["Environment"]["Variables"]
    telemetry = {name for name in variables if name.startswith("POWERTOOLS_")}
    assert telemetry == {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
    assert set(variables) - telemetry == {field.name.upper() for field in fields(Environment)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_runs_the_controller_of_the_layer_and_is_traced(
    resources: Resources, function: str
) -> None:
    described = properties(resources, function)
    (layer,) = described["Layers"]
    assert resources[layer["Ref"]]["Type"] == "AWS::Lambda::LayerVersion"
    assert (described["Runtime"], described["Architectures"]) == ("python3.13", ["arm64"])
    assert described["TracingConfig"] == {"Mode": "Active"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_handler_is_there(resources: Resources, function: str) -> None:
    package, module, name = properties(resources, function)["Handler"].split(".")
    assert package == re.sub(r"(?<!^)(?=[A-Z])", "_", function).lower()
    source = Path(__file__).parents[2] / "functions" / package / f"{module}.py"
    assert f"def {name}(event" in source.read_text()


def test_a_hosts_document_changes_in_place_and_its_latest_version_is_sent(resources: Resources) -> None:
    # Its default version does not always follow an update.
    assert properties(resources, "HostDocument")["UpdateMethod"] == "NewVersion"
    assert properties(resources, "Deploy")["Environment"]["Variables"]["DOCUMENT_VERSION"] == "$LATEST"


def test_announcements_are_encrypted(resources: Resources) -> None:
    assert properties(resources, "Announcements") == {"KmsMasterKeyId": "alias/aws/sns"}


def test_both_topics_can_be_read_by_mail(resources: Resources) -> None:
    for reader, topic in (("AnnouncementsReader", "Announcements"), ("AlarmsReader", "Alarms")):
        assert resources[reader]["Condition"] == "HasReader"
        assert properties(resources, reader)["TopicArn"] == {"Ref": topic}


def test_the_outputs_print_how_to_upload(stack: dict[str, Any]) -> None:
    command = shlex.split(stack["Outputs"]["UploadCommand"]["Value"]["Fn::Sub"])
    assert command == ["aws", "s3", "cp", "shop-1.0.0.jar", "s3://${Artifacts}/shop/"]


def test_the_outputs_print_how_to_roll_back(stack: dict[str, Any]) -> None:
    command = shlex.split(stack["Outputs"]["RollbackCommand"]["Value"]["Fn::Sub"])
    assert command[:3] == ["aws", "lambda", "invoke"]
    options = dict(zip(command[3:-1:2], command[4:-1:2], strict=True))
    assert options["--function-name"] == "${Rollback}"
    assert json.loads(options["--payload"]) == {"app": "shop"}
    assert options["--cli-binary-format"] == "raw-in-base64-out"


def test_the_name_in_announcements_is_the_rollback_functions(resources: Resources) -> None:
    variables = properties(resources, "Deploy")["Environment"]["Variables"]
    assert variables["ROLLBACK_FUNCTION"] == properties(resources, "Rollback")["FunctionName"]
    assert variables["FREEZE_FUNCTION"] == properties(resources, "Freeze")["FunctionName"]
