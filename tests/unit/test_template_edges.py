"""Every asynchronous edge of the stack repeats what failed, keeps what was given up, and calls somebody."""

import json
from pathlib import Path
from typing import Any

import pytest
from moto.sns.utils import FilterPolicyMatcher

Resources = dict[str, dict[str, Any]]

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("Deploy", "SsmAndSchedule", "Rollback", "Freeze")
FOURTEEN_DAYS = 14 * 86400


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def arn_of(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


def dead_letter_queues(resources: Resources) -> set[str]:
    """The queues that an edge of the stack ends in when all else failed."""
    targets = [
        target for rule in of_type(resources, "AWS::Events::Rule").values() for target in rule["Targets"]
    ]
    arns = [target["DeadLetterConfig"]["Arn"] for target in targets]
    arns += [
        configuration["DestinationConfig"]["OnFailure"]["Destination"]
        for configuration in of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
    ]
    return {arn["Fn::GetAtt"][0] for arn in arns}


def test_every_function_has_its_edges_here_but_slacks_and_the_widget_which_only_answers(
    resources: Resources,
) -> None:
    assert set(of_type(resources, "AWS::Lambda::Function")) == {*FUNCTIONS, "Slack", "Widget"}
    assert not [name for name in resources if name.startswith("Widget") and "Permission" in name]
    assert "AWS::Lambda::Url" not in {resource["Type"] for resource in resources.values()}


def test_uploads_commands_and_schedules_reach_the_functions(resources: Resources) -> None:
    edges = {
        name: [target["Arn"] for target in rule["Targets"]]
        for name, rule in of_type(resources, "AWS::Events::Rule").items()
    }
    assert edges == {
        "DeployOnUpload": [arn_of("Deploy")],
        "SsmAndScheduleOnCommandEnded": [arn_of("SsmAndSchedule")],
        "SsmAndScheduleOnHostReady": [arn_of("SsmAndSchedule")],
        "SsmAndScheduleEachMinute": [arn_of("SsmAndSchedule")],
        "SsmAndScheduleEachQuarter": [arn_of("SsmAndSchedule")],
    }
    assert resources["SsmAndScheduleEachMinute"]["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert resources["SsmAndScheduleEachQuarter"]["Properties"]["ScheduleExpression"] == "rate(15 minutes)"


@pytest.mark.parametrize("outcome", ["STARTED", "LIVE", "FAILED", "FROZEN", "UNFROZEN", "DRIFT"])
def test_people_get_a_mail_of_everything_but_a_start(resources: Resources, outcome: str) -> None:
    policy = FilterPolicyMatcher(resources["AnnouncementsReader"]["Properties"]["FilterPolicy"], None)
    attributes = {"outcome": {"Type": "String", "Value": outcome}}
    assert policy.matches(attributes, "") is (outcome != "STARTED")


def test_the_schedule_of_reports_sends_what_the_function_understands(resources: Resources) -> None:
    (target,) = resources["SsmAndScheduleEachQuarter"]["Properties"]["Targets"]
    assert json.loads(target["Input"]) == json.loads((ROOT / "events" / "report.json").read_text())


def test_only_these_rules_may_invoke_a_function(resources: Resources) -> None:
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    by_rules = [each for each in permissions if each["Principal"] == "events.amazonaws.com"]
    allowed = {(each["SourceArn"]["Fn::GetAtt"][0], each["FunctionName"]["Ref"]) for each in by_rules}
    (by_topic,) = (each for each in permissions if each not in by_rules)
    assert by_topic["FunctionName"] == {"Ref": "Slack"}
    assert allowed == {
        ("DeployOnUpload", "Deploy"),
        ("SsmAndScheduleOnCommandEnded", "SsmAndSchedule"),
        ("SsmAndScheduleOnHostReady", "SsmAndSchedule"),
        ("SsmAndScheduleEachMinute", "SsmAndSchedule"),
        ("SsmAndScheduleEachQuarter", "SsmAndSchedule"),
    }


@pytest.mark.parametrize(
    "rule",
    [
        "DeployOnUpload",
        "SsmAndScheduleOnCommandEnded",
        "SsmAndScheduleOnHostReady",
        "SsmAndScheduleEachMinute",
        "SsmAndScheduleEachQuarter",
    ],
)
def test_a_delivery_that_fails_is_repeated_and_then_kept(resources: Resources, rule: str) -> None:
    (target,) = resources[rule]["Properties"]["Targets"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] >= 1
    queue = target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
    senders = [
        source
        for policy in of_type(resources, "AWS::SQS::QueuePolicy").values()
        if policy["Queues"] == [{"Ref": queue}]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "events.amazonaws.com"}
        for source in as_list(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
    ]
    assert arn_of(rule) in senders


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_event_that_a_function_cannot_take_is_kept(resources: Resources, function: str) -> None:
    configuration = resources[f"{function}EventInvokeConfig"]["Properties"]
    queue = configuration["DestinationConfig"]["OnFailure"]["Destination"]
    assert configuration["FunctionName"] == {"Ref": function}
    role = resources[f"{function}Role"]["Properties"]
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    assert {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue} in statements


@pytest.mark.parametrize("function", ["Deploy", "SsmAndSchedule"])
def test_events_are_repeated_when_their_function_fails(resources: Resources, function: str) -> None:
    assert resources[f"{function}EventInvokeConfig"]["Properties"]["MaximumRetryAttempts"] == 2


@pytest.mark.parametrize("function", ["Rollback", "Freeze"])
def test_what_a_person_invokes_is_never_retried(resources: Resources, function: str) -> None:
    assert resources[f"{function}EventInvokeConfig"]["Properties"]["MaximumRetryAttempts"] == 0


def test_the_rule_for_new_hosts_hears_of_this_stacks_document_alone(resources: Resources) -> None:
    pattern = resources["SsmAndScheduleOnHostReady"]["Properties"]["EventPattern"]
    event = json.loads((ROOT / "events" / "ssm-association.json").read_text())
    assert (pattern["source"], pattern["detail-type"]) == ([event["source"]], [event["detail-type"]])
    assert pattern["detail"] == {"document-name": [{"Ref": "HostDocument"}], "status": ["Success"]}
    assert set(pattern["detail"]) <= set(event["detail"])


def test_every_queue_is_a_dead_letter_queue_encrypted_and_keeps_messages_for_14_days(
    resources: Resources,
) -> None:
    queues = of_type(resources, "AWS::SQS::Queue")
    assert set(queues) == dead_letter_queues(resources)
    for queue in queues.values():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == FOURTEEN_DAYS


def test_the_first_message_in_any_dead_letter_queue_raises_an_alarm(resources: Resources) -> None:
    watched = set()
    for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values():
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible":
            (dimension,) = alarm["Dimensions"]
            watched.add(dimension["Value"]["Fn::GetAtt"][0])
            assert (alarm["Namespace"], dimension["Name"]) == ("AWS/SQS", "QueueName")
            assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
            assert alarm["EvaluationPeriods"] == 1
    assert watched == dead_letter_queues(resources)


@pytest.mark.parametrize(("alarm", "metric"), [("ErrorsAlarm", "Errors"), ("ThrottlesAlarm", "Throttles")])
def test_errors_and_throttles_of_every_function_raise_an_alarm(
    resources: Resources, alarm: str, metric: str
) -> None:
    summed = [
        part["MetricStat"]["Metric"]
        for part in resources[alarm]["Properties"]["Metrics"]
        if "MetricStat" in part
    ]
    assert {part["MetricName"] for part in summed} == {metric}
    assert {part["Dimensions"][0]["Value"]["Ref"] for part in summed} == set(FUNCTIONS)


def test_a_schedule_that_stops_raises_an_alarm(resources: Resources) -> None:
    alarm = resources["ScheduleAlarm"]["Properties"]
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "SsmAndSchedule"}}]
    assert (alarm["MetricName"], alarm["ComparisonOperator"]) == ("Invocations", "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"


def test_every_alarm_is_sent_to_the_topic(resources: Resources) -> None:
    for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
    (allow,) = (
        statement
        for statement in resources["AlarmsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    )
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}


def test_the_topic_of_alarms_has_no_key_that_cloudwatch_could_not_use(resources: Resources) -> None:
    assert "KmsMasterKeyId" not in resources["Alarms"].get("Properties", {})


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
