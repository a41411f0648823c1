"""A small stack in the sandbox: only what it connects happens, and unsupported parts are errors."""

import gc
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models.table import Table

from lab.sandbox.account import KEPT_INVOCATIONS, Account, Listener, Pace
from lab.sandbox.services.lambda_functions import Invocation
from lab.sandbox.stack import resources
from lab.sandbox.stack.moto_backends import LOCK, REGION
from lab.sandbox.stack.template import TemplateError, translate
from tests.waiting import wait_until

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Absent: {Type: String, Default: ""}
Conditions:
  HasAbsent: !Not [!Equals [!Ref Absent, ""]]
Resources:
  Jars:
    Type: AWS::S3::Bucket
    Properties:
      VersioningConfiguration: {Status: Enabled}
      NotificationConfiguration:
        EventBridgeConfiguration: {EventBridgeEnabled: true}
  Topic:
    Type: AWS::SNS::Topic
  Letters:
    Type: AWS::SQS::Queue
  Document:
    Type: AWS::SSM::Document
    Properties:
      Name: try
      DocumentType: Command
      Content:
        Fn::Transform: {Name: AWS::Include, Parameters: {Location: document.json}}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: echo
      Runtime: python3.13
      Handler: app.handler
      CodeUri: code
      Environment: {Variables: {BUCKET: !Ref Jars}}
      Policies:
        - Version: "2012-10-17"
          Statement:
            - {Effect: Allow, Action: "s3:GetObject", Resource: !Sub "${Jars.Arn}/shop/*"}
            - !If [HasAbsent, {Effect: Allow, Action: "s3:*", Resource: "*"}, !Ref AWS::NoValue]
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig:
          OnFailure: {Type: SQS, Destination: !GetAtt Letters.Arn}
      Events:
        OnUpload:
          Type: EventBridgeRule
          Properties:
            Pattern:
              source: [aws.s3]
              detail: {bucket: {name: [!Ref Jars]}, object: {key: [{wildcard: "*/*.jar"}]}}
        Clock:
          Type: Schedule
          Properties: {Schedule: rate(1 minute), Enabled: false}
        OnMessage:
          Type: SNS
          Properties: {Topic: !Ref Topic}
        OnSomeMessages:
          Type: SNS
          Properties:
            Topic: !Ref Filtered
            FilterPolicy: {outcome: [LIVE]}
            RedrivePolicy: {deadLetterTargetArn: !GetAtt Undelivered.Arn}
  Filtered:
    Type: AWS::SNS::Topic
  Undelivered:
    Type: AWS::SQS::Queue
"""

DOCUMENT = {
    "schemaVersion": "2.2",
    "parameters": {"word": {"type": "String", "interpolationType": "ENV_VAR", "allowedPattern": "^[a-z]+$"}},
    "mainSteps": [
        {"action": "aws:runShellScript", "name": "s", "inputs": {"runCommand": ["echo $SSM_word"]}}
    ],
}

HANDLER = """
def handler(event, context):
    if event.get("detail", {}).get("object", {}).get("key") == "shop/bad.jar":
        raise ValueError("a bad jar")
    return event
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    (project / "code").mkdir()
    (project / "code" / "app.py").write_text(HANDLER)
    (project / "document.json").write_text(json.dumps(DOCUMENT))
    (project / "template.yaml").write_text(TEMPLATE)
    return project


@pytest.fixture(scope="module")
def aws(project: Path) -> Iterator[Account]:
    account = Account(
        "127.0.0.1", project / "template.yaml", {}, project, Pace(schedule_factor=600), Listener()
    )
    yield account
    account.close()


@pytest.fixture
def bucket(aws: Account) -> str:
    return aws.stack.resources["Jars"].id


def _invocation(aws: Account, mark: str) -> dict[str, Any]:
    """The payload of the first invocation that bears the mark."""
    payloads: list[dict[str, Any]] = []

    def was_made() -> bool:
        payloads.extend(json.loads(each.payload) for each in aws.invocations if mark.encode() in each.payload)
        return bool(payloads)

    wait_until(was_made)
    return payloads[0]


def test_an_upload_becomes_an_event_of_s3s_true_shape(aws: Account, bucket: str) -> None:
    put = aws.client("s3").put_object(Bucket=bucket, Key="shop/a+b ä.jar", Body=b"12345")

    event = _invocation(aws, put["VersionId"])

    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
    detail = event["detail"]
    assert detail["bucket"] == {"name": bucket}
    assert detail["reason"] == "PutObject"
    assert set(detail) >= {"version", "request-id", "requester", "source-ip-address"}
    assert detail["object"] == {
        "sequencer": detail["object"]["sequencer"],
        "key": "shop/a+b ä.jar",
        "size": 5,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
    }


def test_a_multipart_upload_is_one_event_with_its_own_reason(aws: Account, bucket: str) -> None:
    s3 = aws.client("s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="shop/parts.jar")
    part = {"Bucket": bucket, "Key": "shop/parts.jar", "UploadId": upload["UploadId"]}
    tag = s3.upload_part(**part, PartNumber=1, Body=b"12345")["ETag"]
    done = s3.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})

    assert _invocation(aws, done["VersionId"])["detail"]["reason"] == "CompleteMultipartUpload"
    assert sum(b"shop/parts.jar" in each.payload for each in aws.invocations) == 1


def test_sequencers_grow(aws: Account, bucket: str) -> None:
    s3 = aws.client("s3")
    versions = [s3.put_object(Bucket=bucket, Key="shop/same.jar", Body=b"x")["VersionId"] for _ in range(3)]

    sequencers = [_invocation(aws, version)["detail"]["object"]["sequencer"] for version in versions]

    assert sequencers == sorted(set(sequencers))
    assert all(re.fullmatch(r"[0-9A-F]+", each) for each in sequencers)


def test_an_event_that_no_rule_matches_invokes_no_function(aws: Account, bucket: str) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="shop/notes.txt", Body=b"x")
    after = s3.put_object(Bucket=bucket, Key="shop/after.jar", Body=b"x")["VersionId"]

    _invocation(aws, after)

    assert not any(b"notes.txt" in each.payload for each in aws.invocations)


def test_what_fails_for_good_goes_where_the_template_says(aws: Account, bucket: str) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="shop/bad.jar", Body=b"x")
    sqs, queue = aws.client("sqs"), aws.stack.resources["Letters"].id
    queue_url = sqs.get_queue_url(QueueName=queue.rpartition("/")[2])["QueueUrl"]

    letters: list[dict[str, Any]] = []

    def came() -> bool:
        letters.extend(sqs.receive_message(QueueUrl=queue_url).get("Messages", []))
        return bool(letters)

    wait_until(came)

    letter = json.loads(letters[0]["Body"])
    assert letter["requestContext"]["condition"] == "RetriesExhausted"
    assert letter["requestPayload"]["detail"]["object"]["key"] == "shop/bad.jar"


def test_a_topic_invokes_its_function_and_its_messages_are_kept(aws: Account) -> None:
    message = {"default": json.dumps({"mark": "m-1"}), "email": "for people"}
    aws.client("sns").publish(
        TopicArn=aws.stack.resources["Topic"].id,
        Subject="subject",
        Message=json.dumps(message),
        MessageStructure="json",
        MessageAttributes={"app": {"DataType": "String", "StringValue": "shop"}},
    )

    record = _invocation(aws, "m-1")["Records"][0]
    heard = aws.announcements.wait_for(lambda each: each.data.get("mark") == "m-1", 5)

    assert record["Sns"]["Message"] == '{"mark": "m-1"}'
    assert record["Sns"]["MessageAttributes"] == {"app": {"Type": "String", "Value": "shop"}}
    assert (heard.subject, heard.text, heard.attributes) == ("subject", "for people", {"app": "shop"})


def _publish_outcome(aws: Account, outcome: str, mark: str) -> None:
    aws.client("sns").publish(
        TopicArn=aws.stack.resources["Filtered"].id,
        Message=json.dumps({"mark": mark}),
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": outcome}},
    )


def test_a_function_gets_what_its_subscriptions_filter_matches(aws: Account) -> None:
    _publish_outcome(aws, "FAILED", "not-wanted")
    _publish_outcome(aws, "LIVE", "wanted")

    _invocation(aws, "wanted")

    assert not any(b"not-wanted" in each.payload for each in aws.invocations)


def test_what_a_topic_cannot_deliver_goes_to_the_subscriptions_dead_letter_queue(
    aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws.bus, "may_invoke", lambda *_: False)

    _publish_outcome(aws, "LIVE", "undelivered")

    url = aws.stack.resources["Undelivered"].id
    (letter,) = aws.client("sqs").receive_message(QueueUrl=url)["Messages"]
    body = json.loads(letter["Body"])
    assert json.loads(body["Message"]) == {"mark": "undelivered"}
    assert body["MessageAttributes"]["outcome"]["Value"] == "LIVE"


def test_a_disabled_schedule_does_not_run_and_an_enabled_one_does(aws: Account) -> None:
    rule = next(each.id for each in aws.stack.of_kind("AWS::Events::Rule") if "Clock" in each.name)
    # One that is enabled runs three times meanwhile.
    time.sleep(0.3)
    assert not any(b"Scheduled Event" in each.payload for each in aws.invocations)

    aws.client("events").enable_rule(Name=rule)
    event = _invocation(aws, "Scheduled Event")
    aws.client("events").disable_rule(Name=rule)

    assert event["source"] == "aws.events"
    assert event["resources"][0].endswith(rule)


def test_an_event_of_aws_cannot_be_forged(aws: Account) -> None:
    entry = {"Source": "aws.ssm", "DetailType": "x", "Detail": "{}"}

    with pytest.raises(ClientError, match="NotAuthorizedForSource"):
        aws.client("events").put_events(Entries=[entry])


def test_a_function_may_do_what_its_policy_says_and_no_more(aws: Account, bucket: str) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="shop/mine.txt", Body=b"x")
    with LOCK:
        role = aws.principals.assume(aws.stack.resources["EchoRole"].id, "echo")
    session = boto3.Session(role.access_key, role.secret, role.token, region_name=REGION)
    s3 = session.client("s3", endpoint_url=aws.endpoint)

    assert s3.get_object(Bucket=bucket, Key="shop/mine.txt")["ContentLength"] == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=bucket, Key="other/mine.txt")
    with pytest.raises(ClientError, match="does not know which permission"):
        session.client("ec2", endpoint_url=aws.endpoint).describe_vpcs()


def test_unknown_callers_are_refused(aws: Account) -> None:
    for key, secret in (("AKIASOMEBODY", "x"), (aws.principals.administrator.access_key, "guessed")):
        stranger = boto3.client(
            "s3",
            endpoint_url=aws.endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name=REGION,
        )
        with pytest.raises(ClientError, match=r"InvalidClientTokenId|SignatureDoesNotMatch"):
            stranger.list_buckets()


def test_a_function_can_be_invoked_and_its_error_is_returned(aws: Account) -> None:
    functions = aws.client("lambda")

    answer = functions.invoke(FunctionName="echo", Payload=b'{"a": 1}')
    assert json.loads(answer["Payload"].read()) == {"a": 1}

    bad = {"detail": {"object": {"key": "shop/bad.jar"}}}
    failed = functions.invoke(FunctionName="echo", Payload=json.dumps(bad))
    assert failed["FunctionError"] == "Unhandled"
    with pytest.raises(ClientError, match="ResourceNotFound"):
        functions.invoke(FunctionName="unknown")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"DocumentName": "nothing", "InstanceIds": ["i-1"]}, "InvalidDocument"),
        ({"DocumentVersion": "9", "InstanceIds": ["i-1"]}, "InvalidDocumentVersion"),
        ({"InstanceIds": ["i-00000000000000000"]}, "InvalidInstanceId"),
        ({"InstanceIds": [f"i-{number}" for number in range(51)]}, "ValidationException"),
        ({"InstanceIds": ["i-1"], "TimeoutSeconds": 30, "Comment": "x" * 101}, "ValidationException"),
        ({}, "ValidationException"),
    ],
)
def test_a_command_that_ssm_would_refuse_is_refused(
    aws: Account, request_: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("ssm").send_command(**({"DocumentName": "try", "Parameters": {"word": ["a"]}} | request_))

    assert refused.value.response["Error"]["Code"] == code


def test_a_command_to_a_tag_goes_to_the_running_hosts_with_it(aws: Account) -> None:
    ec2, ssm = aws.client("ec2"), aws.client("ssm")
    made = ec2.run_instances(
        ImageId="ami-1",
        MinCount=2,
        MaxCount=2,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "twinslot", "Value": "shop"}]}],
    )["Instances"]
    alive, gone = (each["InstanceId"] for each in made)
    for instance in (alive, gone):
        aws.run_command.register(instance, "10.0.0.1", instance)
        aws.run_command.poll(instance, {"AgentVersion": "3.3"}, seconds=0)
    ec2.terminate_instances(InstanceIds=[gone])
    target = [{"Key": "tag:twinslot", "Values": ["shop"]}]

    command = ssm.send_command(DocumentName="try", Targets=target, Parameters={"word": ["hello"]})["Command"]
    [order] = aws.run_command.poll(alive, {}, seconds=0)["run"]
    result = {"stdout": "hello\n", "stderr": "oops\n", "exit_code": 1, "cancelled": False, "timed_out": False}
    aws.run_command.report(alive, order["command"], result)

    told = ssm.list_command_invocations(CommandId=command["CommandId"], Details=True)["CommandInvocations"]
    assert [(each["InstanceId"], each["Status"]) for each in told] == [(alive, "Failed")]
    assert told[0]["CommandPlugins"][0]["Output"] == "hello\n\n----------ERROR-------\noops\n"
    online = ssm.describe_instance_information(Filters=target)["InstanceInformationList"]
    assert [(each["InstanceId"], each["PingStatus"]) for each in online] == [(alive, "Online")]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("AWS::SQS::Queue", "AWS::Kinesis::Stream"), "AWS::Kinesis::Stream"),
        (("VersioningConfiguration: {Status: Enabled}", "WebsiteConfiguration: {}"), "WebsiteConfiguration"),
        (("document.json", "nothing.json"), "nothing.json"),
        (("CodeUri: code", "CodeUri: nowhere"), "nowhere"),
    ],
)
def test_what_the_sandbox_does_not_support_is_an_error(
    project: Path, change: tuple[str, str], named: str
) -> None:
    odd = project / "odd.yaml"
    odd.write_text(TEMPLATE.replace(*change))

    with pytest.raises(TemplateError, match=named):
        resources.create("odd", translate(odd, REGION, {}), {})


def test_a_transaction_leaves_no_copy_of_its_table_behind(aws: Account) -> None:
    def tables() -> int:
        gc.collect()
        return sum(isinstance(each, Table) for each in gc.get_objects())

    dynamodb, table = aws.client("dynamodb"), "copies"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    before = tables()
    for number in range(3):
        item = {"pk": {"S": str(number)}}
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])

    assert tables() == before


def test_of_many_invocations_the_newest_are_kept(aws: Account) -> None:
    class Idle:
        """A function that is quick, for once."""

        def invoke(self, payload: bytes) -> Invocation:
            return Invocation("idle", "", 0.0, 0.0, cold=False, error=False, payload=payload, answer=b"")

    for number in range(KEPT_INVOCATIONS + 5):
        aws.functions.invoke(Idle(), b"%d" % number)  # type: ignore[arg-type]  # it starts no process

    kept = aws.invocations
    assert len(kept) == KEPT_INVOCATIONS
    assert kept[-1].payload == b"%d" % (KEPT_INVOCATIONS + 4)
