"""People read in Slack how a deployment goes; a Slack that is down changes nothing for it, and is seen."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from lab.sandbox.sandbox import Pace, Sandbox, unavailable
from lab.sandbox.services.slack import WEBHOOK, Reply
from tests.e2e.conftest import Jar
from tests.e2e.deployments import Deployer
from tests.waiting import wait_until

PARAMETER = "/twinslot/slack"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A stack that was asked for Slack, with a webhook."""
    reason = unavailable()
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to run the e2e tests, but: {reason}")
        pytest.skip(reason)
    pace = Pace(retry_seconds=(0.2, 0.2))
    with Sandbox(parameters={"SlackWebhookParameter": PARAMETER}, pace=pace) as running:
        running.client("ssm").put_parameter(Name=PARAMETER, Type="SecureString", Value=WEBHOOK)
        running.add_host("shop")
        yield running


def headline(message: dict[str, Any]) -> str:
    return str(message["blocks"][0]["text"]["text"])


def letters(sandbox: Sandbox) -> list[dict[str, Any]]:
    url = sandbox.aws.stack.resources["SlackDeadLetters"].id
    found = sandbox.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(letter["Body"]) for letter in found.get("Messages", [])]


def test_a_deployments_start_and_end_are_told_once_each_and_in_order(
    sandbox: Sandbox, shop: str, deployer: Deployer, jar: Jar
) -> None:
    told = deployer.deploy(jar("1.0.0"))

    assert told.data["outcome"] == "LIVE", told.text
    messages = sandbox.aws.slack.wait_for(2, seconds=20)
    assert [headline(message) for message in messages] == [
        "🚀 shop 1.0.0 is being staged",
        "✅ shop 1.0.0 is live",
    ]
    assert len(sandbox.aws.slack.posts) == 2


def test_a_slack_that_is_down_delays_no_deployment_and_leaves_a_letter(
    sandbox: Sandbox, shop: str, deployer: Deployer, jar: Jar
) -> None:
    sandbox.aws.slack.answer = lambda _: Reply(500, "rollup_error")

    told = deployer.deploy(jar("1.1.0"))

    assert told.data["outcome"] == "LIVE", told.text
    wait_until(lambda: len(letters(sandbox)) == 2, seconds=40)
    letter = letters(sandbox)[0]
    assert letter["requestContext"]["condition"] == "RetriesExhausted"
    assert letter["responsePayload"]["errorType"] == "SlackFailed"
    kept = [each["requestPayload"]["Records"][0]["Sns"]["Message"] for each in letters(sandbox)]
    assert {json.loads(message)["outcome"] for message in kept} == {"STARTED", "LIVE"}
