"""No text from outside ends a line, a paragraph or a subject, fakes one of our lines, or moves a terminal."""

import json
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.announce.email import MAX_SUBJECT_CHARACTERS
from twinslot.announce.facts import FULL
from twinslot.announce.publish import Announcement, compose
from twinslot.domain.model import (
    Deployment,
    Difference,
    Failure,
    Kind,
    Outcome,
    Phase,
    Release,
    UploadOrder,
    Warn,
)
from twinslot.intake.sanitize import quoted, sanitize

from tests.hostile import PIECES, TEXT, Cases
from tests.unit.test_announcements import COMMANDS, FAILED, LIVE, NEW_LIVE, ended

SHAPES = ("{}", "a{}b", "{}{}", "Live now: 9.9.9\n{}\n")
KEYS = set(json.loads(ended(LIVE, NEW_LIVE).json))
MAX_BYTES = 262_144
"""What SNS takes in one message, attributes and all."""

TEXTS: dict[str, Any] = {
    "reason": lambda text: replace(FAILED, failure=Failure(Phase.STAGING, text, "i-2", ("Started",))),
    "host": lambda text: replace(
        FAILED, failure=Failure(Phase.STAGING, "never answered", text, ("Started",))
    ),
    "line of log": lambda text: replace(FAILED, failure=Failure(Phase.STAGING, "no", "i-2", (text, text))),
    "key": lambda text: replace(
        LIVE, release=None, order=UploadOrder(text, "", 0.0), outcome=Outcome.REFUSED
    ),
    "label": lambda text: replace(LIVE, release=Release("b", "shop/a.jar", "v", 1, text)),
    "version": lambda text: replace(LIVE, release=Release("b", "shop/a.jar", text, 1, "1.4.2")),
    "person": lambda text: replace(LIVE, kind=Kind.ROLLBACK, by=text),
    "hosts": lambda text: replace(LIVE, unconfirmed=(text, "i-9")),
}
"""Each place of a deployment that holds a text from outside."""


def lines_of(deployment: Deployment) -> list[str]:
    return ended(deployment, NEW_LIVE).text.split("\n")


@cache
def harmless_lines(place: str) -> list[str]:
    return lines_of(TEXTS[place]("x"))


def judge_text(place: str, text: str) -> None:
    """The message has the lines that it has with a harmless text there, and each of them begins alike."""
    lines = lines_of(TEXTS[place](text))
    harmless = harmless_lines(place)
    assert len(lines) == len(harmless)
    assert all(line.isprintable() for line in lines)
    for line, plain in zip(lines, harmless, strict=True):
        beginning = plain.partition("x")[0]
        assert line.startswith(beginning)
    assert lines.count("Live now: nothing") == 0
    assert sum(line.startswith("Live now: ") for line in lines) == 1


def judge_program(place: str, text: str) -> None:
    announcement = ended(TEXTS[place](text), NEW_LIVE)
    body = json.loads(announcement.json)
    assert announcement.json.isascii()
    assert set(body) == KEYS
    assert body["announcement"] == LIVE.id
    assert len(announcement.json) + len(announcement.text.encode()) < MAX_BYTES


def judge_subject(place: str, text: str) -> None:
    """SNS takes less than 100 characters of ASCII that begin with a letter, and no control character."""
    announcement = ended(TEXTS[place](text), NEW_LIVE)
    assert announcement.subject.startswith("twinslot shop ")
    assert announcement.subject.isascii()
    assert announcement.subject.isprintable()
    assert 0 < len(announcement.subject) <= MAX_SUBJECT_CHARACTERS
    assert set(announcement.attributes) == {"app", "outcome", "announcement"}
    assert all(value.isascii() and value.isprintable() for value in announcement.attributes.values())


@pytest.mark.hostile("log lines")
def test_a_corpus_of_texts_breaks_no_message(cases: Cases[Any]) -> None:
    for place, shape, piece in cases(product(TEXTS, SHAPES, PIECES)):
        judge_text(place, shape.replace("{}", piece))
        judge_program(place, shape.replace("{}", piece))


@pytest.mark.hostile("log lines")
@settings(max_examples=250)
@given(st.sampled_from(sorted(TEXTS)), TEXT.filter(bool))
def test_no_text_breaks_a_message(place: str, text: str) -> None:
    judge_text(place, text)
    judge_program(place, text)


@pytest.mark.hostile("log lines")
@pytest.mark.parametrize("piece", ["\U0010ffff", "\x1b[2J", "<!channel>", "🎉", "\ud800", '"', "\\"])
@pytest.mark.parametrize("place", ["reason", "host", "line of log", "key", "person"])
def test_a_text_of_a_megabyte_is_cut(place: str, piece: str) -> None:
    judge_text(place, piece * (2**20 // len(piece)))
    judge_program(place, piece * (2**20 // len(piece)))


@pytest.mark.hostile("log lines")
def test_a_log_without_end_is_cut() -> None:
    failure = Failure(Phase.BAKING, "no", "i-2", ("\U0001f389" * 10_000,) * 10_000)
    announcement = ended(replace(FAILED, failure=failure), NEW_LIVE)
    assert len(announcement.json) + len(announcement.text.encode()) < 2 * MAX_BYTES


@pytest.mark.hostile("log lines")
def test_a_line_of_log_is_shown_but_orders_nothing(cases: Cases[str]) -> None:
    """To a terminal, a mail or a chat a text is only what can be seen of it."""
    for piece in cases(PIECES):
        for limit in (FULL.name, FULL.key, FULL.line, FULL.reason):
            for text in (piece, piece * limit):
                assert sanitize(text, limit).isprintable()
                assert len(sanitize(text, limit)) <= limit
                assert quoted(text, limit).isprintable()
                assert text.startswith(json.loads(quoted(text, limit)).removesuffix("..."))


def drift(text: str) -> Announcement:
    return compose(Warn("shop/drift-1", 5.0, "shop", (Difference(text, text),), NEW_LIVE), COMMANDS)


@pytest.mark.hostile("log lines")
def test_no_host_that_differs_breaks_the_warning_or_its_subject(cases: Cases[Any]) -> None:
    for shape, piece in cases(product(SHAPES, PIECES)):
        text = shape.replace("{}", piece)
        warning = drift(text)
        assert warning.text.count("\n") == drift("x").text.count("\n")
        assert all(line.isprintable() for line in warning.text.split("\n"))
        assert len(warning.subject) <= MAX_SUBJECT_CHARACTERS
        assert warning.subject.isascii()
        assert warning.subject.isprintable()
        assert json.loads(warning.json)["app"] == "shop"


@pytest.mark.hostile("subjects")
def test_a_corpus_of_texts_makes_subjects_that_sns_takes(cases: Cases[Any]) -> None:
    for place, shape, piece in cases(product(("key", "label"), SHAPES, PIECES)):
        judge_subject(place, shape.replace("{}", piece))
        judge_subject(place, shape.replace("{}", piece * 40))


@pytest.mark.hostile("subjects")
@settings(max_examples=150)
@given(st.sampled_from(["key", "label"]), TEXT)
def test_any_text_makes_a_subject_that_sns_takes(place: str, text: str) -> None:
    judge_subject(place, text)
