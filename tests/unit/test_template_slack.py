"""Slack in the stack: only where somebody asked for it, with the least rights, and loud when it fails."""

import json
from pathlib import Path
from typing import Any

import pytest

Resources = dict[str, dict[str, Any]]

ROOT = Path(__file__).parents[2]
CONDITION = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "SLACK#*"}}


def statements(resources: Resources) -> list[dict[str, Any]]:
    policies = resources["SlackRole"]["Properties"]["Policies"]
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def test_without_a_parameter_there_is_nothing_of_it(resources: Resources) -> None:
    own = {name: resource for name, resource in resources.items() if name.startswith("Slack")}
    assert {resource["Type"].rpartition(":")[2] for resource in own.values()} == {
        "Alarm",
        "EventInvokeConfig",
        "Function",
        "LogGroup",
        "Permission",
        "Queue",
        "QueuePolicy",
        "Role",
        "Subscription",
    }
    assert {resource["Condition"] for resource in own.values()} == {"HasSlack"}


def test_either_parameter_enables_it_and_a_bot_needs_its_channel(stack: dict[str, Any]) -> None:
    conditions = stack["Conditions"]
    assert conditions["HasSlackBot"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SlackTokenParameter"}, ""]}]}
    assert conditions["HasSlack"]["Fn::Or"] == [
        {"Condition": "HasSlackBot"},
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "SlackWebhookParameter"}, ""]}]},
    ]
    (assertion,) = stack["Rules"]["ABotHasAChannel"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SlackChannel"}, ""]}]}


def test_the_topic_alone_invokes_it_and_what_it_cannot_deliver_is_kept(resources: Resources) -> None:
    permission = resources["SlackOnAnnouncementPermission"]["Properties"]
    assert (permission["Principal"], permission["SourceArn"]) == (
        "sns.amazonaws.com",
        {"Ref": "Announcements"},
    )
    letters = {"Fn::GetAtt": ["SlackDeadLetters", "Arn"]}
    assert resources["SlackOnAnnouncement"]["Properties"] == {
        "Endpoint": {"Fn::GetAtt": ["Slack", "Arn"]},
        "Protocol": "lambda",
        "TopicArn": {"Ref": "Announcements"},
        "RedrivePolicy": {"deadLetterTargetArn": letters},
    }
    (allow,) = resources["SlackDeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert allow["Principal"] == {"Service": "sns.amazonaws.com"}
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Announcements"}}}


def test_what_it_fails_at_is_repeated_and_then_kept(resources: Resources) -> None:
    configuration = resources["SlackEventInvokeConfig"]["Properties"]
    assert configuration["MaximumRetryAttempts"] == 2
    destination = configuration["DestinationConfig"]["OnFailure"]["Destination"]
    assert destination == {"Fn::GetAtt": ["SlackDeadLetters", "Arn"]}


def test_it_reads_one_secret_and_touches_nothing_of_the_table_but_its_own(resources: Resources) -> None:
    _, secret, put, get = statements(resources)
    arn, variables = secret["Resource"]["Fn::Sub"]
    assert arn == "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${Name}"
    parameter = {"Fn::If": ["HasSlackBot", {"Ref": "SlackTokenParameter"}, {"Ref": "SlackWebhookParameter"}]}
    assert variables == {"Name": parameter}
    environment = resources["Slack"]["Properties"]["Environment"]["Variables"]
    assert environment["SLACK_PARAMETER"] == parameter
    condition, bots, otherwise = get["Fn::If"]
    assert (condition, otherwise) == ("HasSlackBot", {"Ref": "AWS::NoValue"})
    assert (secret["Action"], put["Action"], bots["Action"]) == (
        "ssm:GetParameter",
        "dynamodb:PutItem",
        "dynamodb:GetItem",
    )
    for statement in (put, bots):
        assert statement["Condition"] == CONDITION
        assert statement["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}


def test_no_variable_of_the_template_leads_it_away_from_slack(resources: Resources) -> None:
    assert "SLACK_ENDPOINT_URL" not in json.dumps(resources)


@pytest.mark.parametrize(("alarm", "metric"), [("ErrorsAlarm", "Errors"), ("ThrottlesAlarm", "Throttles")])
def test_its_errors_and_throttles_count_where_it_is(resources: Resources, alarm: str, metric: str) -> None:
    (optional,) = (part["Fn::If"] for part in resources[alarm]["Properties"]["Metrics"] if "Fn::If" in part)
    condition, part, _ = optional
    assert condition == "HasSlack"
    assert part["MetricStat"]["Metric"]["MetricName"] == metric
    assert part["MetricStat"]["Metric"]["Dimensions"][0]["Value"] == {"Ref": "Slack"}


def test_its_program_is_there_and_has_time_for_three_attempts(resources: Resources) -> None:
    described = resources["Slack"]["Properties"]
    assert described["Handler"] == "slack.app.handler"
    assert described["Timeout"] == 60
    assert "def handler(event" in (ROOT / "functions" / "slack" / "app.py").read_text()
    assert described["LoggingConfig"] == {"LogGroup": {"Ref": "SlackLogs"}}
