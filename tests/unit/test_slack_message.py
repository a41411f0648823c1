"""Every announcement as a Slack message: within Slack's limits, the cause first, users' words only words."""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.announce.parse import parse

from functions.slack.message import MAX_MESSAGE_CHARACTERS, Block, compose
from tests.hostile import PIECES, Cases
from tests.unit.announcement_samples import (
    ANY,
    EACH,
    REVERTED,
    Sample,
    ended,
    written_by_a_stranger,
)

LITERAL = {"plain_text", "text", "date"}
"""Kinds of text of which Slack reads no markup: plain text, and the words of rich text."""

STRUCTURE = {
    "header",
    "rich_text",
    "rich_text_section",
    "rich_text_preformatted",
    "context",
}


def message(announcement: Sample) -> Block:
    return compose(parse(announcement))


def parts(block: object) -> list[Block]:
    """Every object in the blocks that has a type."""
    if isinstance(block, list):
        return [part for each in block for part in parts(each)]
    if not isinstance(block, dict):
        return []
    inner = [part for value in block.values() for part in parts(value)]
    return [block, *inner] if "type" in block else inner


def units(text: str) -> int:
    """Characters as Slack's limits count them at the strictest."""
    return len(text.encode("utf-16-le")) // 2


def words(block: Block) -> str:
    """What a person reads of a block."""
    return "".join(part.get("fallback") or part["text"] for part in parts(block) if part["type"] in LITERAL)


def lines(announcement: Sample) -> list[str]:
    blocks = message(announcement)["blocks"]
    drawn = [each for block in blocks for each in block.get("elements", [block])]
    return [line for each in drawn for line in words(each).rstrip("\n").split("\n")]


def judge(announcement: Sample) -> None:
    made = message(announcement)
    assert set(made) == {"text", "blocks"}
    judge_fallback(made["text"])
    blocks = made["blocks"]
    assert 0 < len(blocks) <= 50
    assert units(json.dumps(blocks, ensure_ascii=False)) <= MAX_MESSAGE_CHARACTERS
    for part in parts(blocks):
        assert part["type"] in LITERAL | STRUCTURE
        if part["type"] in LITERAL:
            text = part.get("fallback") or part["text"]
            assert 0 < units(text) <= 3_000
            assert all(line.isprintable() for line in text.split("\n"))
        if part["type"] == "plain_text":
            assert part["emoji"] is False
        if part["type"].startswith("rich_text_"):
            assert sum(units(each.get("text", "")) for each in part["elements"]) <= 3_000
        if part["type"] == "header":
            assert units(part["text"]["text"]) <= 150
        if part["type"] == "context":
            assert 0 < len(part["elements"]) <= 10


def judge_fallback(text: str) -> None:
    """The notification is markup: nothing in it is a mention or a link."""
    assert 0 < len(text) < 3_000
    assert "<" not in text
    assert ">" not in text
    assert text.isprintable()


@pytest.mark.parametrize("name", EACH)
def test_each_announcement_is_a_message_within_slacks_limits(name: str) -> None:
    judge(EACH[name])


def test_what_went_live_has_who_what_how_long_and_the_way_back() -> None:
    assert lines(EACH["LIVE"]) == [
        "✅ shop 1.4.2 is live",
        "It is live on all its hosts.",
        "waiting   0.5 s ▏",
        "staging   4.2 s ██",
        "flipping  0.2 s ▏",
        "baking   30.0 s ████████████",
        "Live now: 1.4.2 since 2026-11-12 00:00 UTC",
        "To go back to 1.4.1:",
        "aws lambda invoke --function-name twinslot-rollback --cli-binary-format raw-in-base64-out"
        """ --payload '{"app":"shop","to":"01JD0000000000000000000001"}' /dev/stdout""",
        "Uploaded by 123456789012 as shop/shop-1.4.2.jar",
        "Deployment 01JD0000000000000000000002",
    ]


def test_a_failure_begins_with_the_cause_and_shows_the_log_as_code() -> None:
    header, body, _ = message(EACH["FAILED"])["blocks"]
    cause, log, meaning, *_ = body["elements"]
    assert words(header) == "❌ shop 1.4.2 failed"
    assert words(cause) == "Why: never answered /actuator/health\nin staging, on i-2\n"
    assert log["type"] == "rich_text_preformatted"
    assert words(log) == "Started\nOutOfMemoryError"
    assert words(meaning) == "It did not go live, and no user saw it.\n"
    assert message(EACH["FAILED"])["text"] == "❌ shop 1.4.2 failed: never answered /actuator/health"


def test_the_way_back_names_what_it_leads_away_from_when_nothing_new_went_live() -> None:
    before = {"label": "1.4.0", "since": 1.0}
    assert "To go back from 1.4.1 to 1.4.0:" in lines({**REVERTED, "previous": before})
    # What was announced before announcements named it.
    assert "To go back from 1.4.1:" in lines({**REVERTED, "previous": None})


def test_a_freeze_has_its_reason_and_how_it_ends() -> None:
    frozen = lines(EACH["FROZEN"])
    assert frozen[:3] == [
        "⏸️ shop is frozen",
        "Why: stocktaking until noon",
        "Uploads wait, and the newest goes live when the app is unfrozen. Rollbacks do not wait.",
    ]
    assert frozen[-3] == "To unfreeze:"
    assert frozen[-2].startswith("aws lambda invoke --function-name twinslot-freeze ")


def test_hosts_that_are_not_confirmed_are_named() -> None:
    assert "Not confirmed on: i-0a1b2c3d4e5f60719" in lines(REVERTED)


def test_each_host_that_differs_has_a_line() -> None:
    assert "i-1  users get 1.4.1" in lines(EACH["DRIFT"])
    assert any(line.startswith("Should be live: 1.4.2") for line in lines(EACH["DRIFT"]))


def test_where_nothing_is_live_the_message_has_it() -> None:
    assert "Live now: nothing" in lines(ended(live=None, previous=None))


@given(
    st.dictionaries(
        st.sampled_from(["waiting", "staging", "baking", "reverting"]), st.floats(0, 99_999), min_size=1
    )
)
def test_bars_fit_a_narrow_phone_and_compare_the_phases(seconds: dict[str, float]) -> None:
    (bars,) = [
        part
        for part in parts(message({**ended(), "seconds": seconds})["blocks"])
        if part["type"] == "rich_text_preformatted" and words(part).startswith(tuple(seconds))
    ]
    by_phase = dict(zip(seconds, words(bars).split("\n"), strict=True))
    assert all(len(line) <= 32 for line in by_phase.values())
    for phase, line in by_phase.items():
        assert line.startswith(phase)
        assert line.count("█") <= max(other.count("█") for other in by_phase.values())
        assert ("█" in line or "▏" in line) == (seconds[phase] > 0)


@pytest.mark.hostile("announcements")
def test_a_users_words_are_nowhere_but_where_slack_reads_no_markup(cases: Cases[Any]) -> None:
    for name, piece in cases(product(("LIVE", "REFUSED", "FAILED"), PIECES)):
        judge(written_by_a_stranger(name, piece))


@pytest.mark.hostile("announcements")
@given(ANY)
def test_any_announcement_is_a_message_within_slacks_limits(announcement: Sample) -> None:
    judge(announcement)
