"""The picture of Slack shows what is posted, and users' words in it are only words there, too."""

import re
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from twinslot.announce.parse import parse

from functions.slack.message import compose
from lab.sandbox.services.sns import Announcement
from lab.screenshots.slack import page, pictures
from tests.hostile import PIECES, Cases
from tests.unit.announcement_samples import EACH, Sample

TAGS = {"style", "main", "div", "article", "b", "span", "h1", "i", "p", "pre"}


def drawn(announcement: Sample) -> str:
    return page([(1_794_441_600.0, compose(parse(announcement)))])


@pytest.mark.parametrize("name", EACH)
def test_each_announcement_is_drawn_with_its_headline_and_its_meaning(name: str) -> None:
    view = parse(EACH[name])
    shown = unescape(re.sub(r"<[^>]+>", "", drawn(EACH[name]).partition("</style>")[2]))
    assert f"{view.headline.subject} {view.headline.predicate}" in shown
    assert view.meaning in shown


@pytest.mark.hostile("announcements")
def test_no_label_is_markup_in_the_picture(cases: Cases[Any]) -> None:
    for piece in cases(PIECES):
        failure = {"phase": "staging", "host": piece, "reason": piece, "log": [piece]}
        html = drawn({**EACH["FAILED"], "by": piece, "release": {"label": piece}, "failure": failure})
        assert set(re.findall(r"</?(\w+)", html)) <= TAGS


def test_a_block_that_is_not_drawn_is_an_error() -> None:
    with pytest.raises(ValueError, match="carousel"):
        page([(0.0, {"blocks": [{"type": "carousel"}]})])


@pytest.mark.parametrize("order", [("LIVE", "REVERTED"), ("REVERTED", "LIVE")])
def test_the_newest_message_is_at_the_bottom(order: tuple[str, str]) -> None:
    all_ended = [
        Announcement(float(at), "arn", "", "", {**EACH[outcome], "by": f"person-{at}"}, {})
        for at, outcome in enumerate(("LIVE", *order))
    ]
    announcements = SimpleNamespace(all=lambda: all_ended)
    story: Any = SimpleNamespace(sandbox=SimpleNamespace(announcements=announcements))

    (picture,) = pictures(story)

    assert re.findall(r"person-\d", picture.html) == ["person-1", "person-2"]
