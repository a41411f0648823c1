"""Amazon Q takes every announcement, and nothing that users wrote is markup in the chat."""

import json
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from twinslot.announce.amazon_q import custom_notification
from twinslot.announce.parse import parse

from tests.hostile import PIECES, Cases
from tests.unit.announcement_samples import ANY, EACH, ID, Sample, ended, written_by_a_stranger
from tests.unit.test_announcements import FAILED, OLD, ROLLBACK

MARKUP = re.compile(r"<|>|&(?!amp;|lt;|gt;)")
CODE = re.compile(r"```\n.*?\n```|`[^`]*`", re.DOTALL)


def notification(announcement: Sample) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(custom_notification(parse(announcement)))
    return made


def judge(announcement: Sample) -> None:
    """The schema's fields, types and lengths
    (https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html)."""
    made = notification(announcement)
    assert set(made) == {"version", "source", "id", "content", "metadata"}
    assert (made["version"], made["source"]) == ("1.0", "custom")
    content, metadata = made["content"], made["metadata"]
    assert set(content) <= {"textType", "title", "description", "nextSteps", "keywords"}
    assert content["textType"] == "client-markdown"
    assert 0 < len(content["title"]) <= 250
    assert 0 < len(content["description"]) <= 8_000
    assert all(0 < len(step) <= 350 for step in content.get("nextSteps", []))
    assert all(0 < len(word) <= 75 for word in content["keywords"])
    assert set(metadata) <= {"summary", "threadId", "additionalContext", "enableCustomActions"}
    assert all(type(value) is str for value in metadata["additionalContext"].values())
    for text in (
        content["title"],
        content["description"],
        metadata["summary"],
        *content.get("nextSteps", []),
    ):
        assert not MARKUP.search(text)
        # Code that users' words had ended would leave an odd backtick outside.
        assert "`" not in CODE.sub("", text)


@pytest.mark.parametrize("name", EACH)
def test_each_announcement_fits_the_schema(name: str) -> None:
    judge(EACH[name])


def test_a_deployments_start_and_end_share_a_thread() -> None:
    for name in ("STARTED", "LIVE", "FAILED", "join LIVE"):
        assert notification(EACH[name])["metadata"]["threadId"] == ID
    assert "threadId" not in notification(EACH["DRIFT"])["metadata"]


def test_a_failure_tells_the_cause_first_and_the_log_in_a_block() -> None:
    content = notification(EACH["FAILED"])["content"]
    assert content["title"] == "❌ `shop 1.4.2` failed"
    assert content["description"].startswith(
        "*Why (staging on `i-2`):* `never answered /actuator/health`\n```\nStarted\nOutOfMemoryError\n```\n"
    )
    assert content["keywords"] == ["shop", "FAILED"]


def test_the_next_step_is_the_way_back() -> None:
    (step,) = notification(EACH["LIVE"])["content"]["nextSteps"]
    assert step.startswith("To go back to 1.4.1: `aws lambda invoke --function-name twinslot-rollback ")
    assert notification(EACH["FROZEN"])["content"]["nextSteps"][0].startswith(
        "To unfreeze: `aws lambda invoke "
    )
    assert "nextSteps" not in notification({**ended(), "rollback": None})["content"]


def test_the_longest_way_back_is_still_a_step() -> None:
    app, label = "a" * 30, "1" * 64
    shown = {"label": label, "deployment": ID, "since": 1.0}
    command = ROLLBACK.replace("twinslot-rollback", "f" * 64).replace("shop", app)
    for announcement in (ended(), ended(FAILED, OLD)):
        made = {**announcement, "app": app, "live": shown, "previous": shown, "rollback": command}
        (step,) = notification(made)["content"]["nextSteps"]
        assert command in step


@pytest.mark.hostile("announcements")
def test_no_label_mentions_anybody_or_ends_its_code(cases: Cases[Any]) -> None:
    for name, piece in cases(product(("LIVE", "REFUSED", "FAILED"), PIECES)):
        judge(written_by_a_stranger(name, piece))


@pytest.mark.hostile("announcements")
@given(ANY)
def test_any_announcement_fits_the_schema(announcement: Sample) -> None:
    judge(announcement)
