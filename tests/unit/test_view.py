"""What an announcement says, from its JSON: bounded, printable, and refused where its shape is another."""

import copy
from dataclasses import fields
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.announce.view import MAX_HOSTS, MAX_LOG_CHARACTERS, digest
from twinslot.errors import BadEvent

from tests.hostile import JSON, ODD, PIECES, Cases
from tests.unit.announcement_samples import (
    ANY,
    DRIFT,
    EACH,
    FROZEN,
    STARTED,
    UNFROZEN,
    Sample,
    freeze_told,
    told,
)


def texts(value: object) -> list[str]:
    """Every text in a digest."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for each in value for text in texts(each)]
    if hasattr(value, "__dataclass_fields__"):
        return [text for field in fields(value) for text in texts(getattr(value, field.name))]
    return []


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("LIVE", "✅ shop 1.4.2 is live"),
        ("FAILED", "❌ shop 1.4.2 failed"),
        ("REVERTED", "↩️ shop 1.4.2 was taken back"),
        ("REFUSED", "⛔ shop/shop-1.4.2.jar was refused"),
        ("SUPERSEDED", "⏭️ shop 1.4.2 was superseded"),
        ("CANCELLED", "⏹️ shop 1.4.2 was cancelled"),
        ("STARTED", "🚀 shop 1.4.2 is being staged"),
        ("DRIFT", "⚠️ shop differs on a host from what it should be"),
        ("FROZEN", "⏸️ shop is frozen"),
        ("UNFROZEN", "▶️ shop is unfrozen"),
        ("join STARTED", "🚀 shop 1.4.2 goes to a new host"),
        ("join LIVE", "✅ shop 1.4.2 is live on 2 new hosts"),
        ("join FAILED", "❌ shop 1.4.2 did not get live on a new host"),
        ("rollback STARTED", "⏪ shop 1.4.2 is coming back"),
        ("rollback LIVE", "✅ shop 1.4.2 is live again"),
    ],
)
def test_each_announcement_has_a_headline(name: str, headline: str) -> None:
    assert str(digest(EACH[name]).headline) == headline


def test_a_failure_tells_its_cause_its_place_and_its_log() -> None:
    failed = digest(EACH["FAILED"])
    assert (failed.cause, failed.phase, failed.host) == (
        "never answered /actuator/health",
        "staging",
        "i-2",
    )
    assert failed.log == ("Started", "OutOfMemoryError")
    assert failed.meaning == "It did not go live; users never saw it."
    assert failed.seconds == (("waiting", 0.5), ("staging", 99.5))


def test_a_host_that_could_not_join_does_not_alarm_about_what_is_live() -> None:
    assert "what is live stayed live" in digest(EACH["join FAILED"]).meaning


def test_a_freeze_tells_who_and_why_and_its_end_what_begins() -> None:
    frozen, resumed = digest(FROZEN), digest(UNFROZEN)
    assert (frozen.origin, frozen.by, frozen.cause) == ("Frozen by", "min-ji", "stocktaking until noon")
    assert resumed.meaning == "1.4.3 waited; it begins now."
    assert resumed.cause == ""
    assert frozen.meaning == "Uploads wait until it is unfrozen; a rollback still goes."
    assert digest(freeze_told(True, "1.4.3")).meaning.startswith("1.4.3 waits until")
    assert digest({**UNFROZEN, "waiting": None}).meaning == "Nothing waited; uploads go again."


def test_of_many_hosts_the_first_are_named_and_the_others_counted() -> None:
    hosts = [f"i-{number}" for number in range(MAX_HOSTS + 5)]
    assert digest({**told(), "unconfirmed": hosts}).unconfirmed[MAX_HOSTS:] == ("and 5 more",)
    differences = [{"host": host, "what": "is gone"} for host in hosts]
    assert digest({**DRIFT, "differences": differences}).differences[MAX_HOSTS:] == (("…", "and 5 more"),)


def test_of_a_long_log_the_last_lines_are_kept() -> None:
    failure = {**EACH["FAILED"]["failure"], "log": [f"line {number}" for number in range(1000)]}
    log = digest({**EACH["FAILED"], "failure": failure}).log
    assert log[-1] == "line 999"
    assert MAX_LOG_CHARACTERS - 10 < sum(len(line) + 1 for line in log) <= MAX_LOG_CHARACTERS


def test_a_command_that_is_too_long_is_not_told_at_all() -> None:
    assert digest({**told(), "rollback": "x" * 10_000}).command == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"twinslot": 2}, "format"),
        ({"twinslot": None}, "format"),
        ({"outcome": "EXPLODED"}, "EXPLODED"),
        ({"outcome": None}, "outcome"),
        ({"announcement": "x" * 200}, "announcement"),
        ({"announcement": "a b"}, "announcement"),
        ({"deployment": None}, "deployment"),
        ({"failure": "boom"}, "failure"),
        ({"failure": {"phase": "`x`"}}, "phase"),
        ({"seconds": {"<!channel>": 1}}, "seconds"),
        ({"seconds": {"staging": "1"}}, "seconds"),
        ({"seconds": {"staging": float("nan")}}, "seconds"),
        ({"unconfirmed": "i-1"}, "unconfirmed"),
        ({"unconfirmed": [1]}, "unconfirmed"),
        ({"live": []}, "live"),
        ({"live": {"since": True}}, "since"),
        ({"by": 7}, "by"),
    ],
)
def test_another_shape_is_refused_by_the_name_of_the_field(change: Sample, named: str) -> None:
    with pytest.raises(BadEvent, match=named):
        digest({**told(), **change})


def judge(announcement: object) -> None:
    refusal, found = "", None
    try:
        found = digest(announcement)
    except BadEvent as error:
        refusal = str(error)
    assert bool(refusal) != bool(found)
    assert refusal.isprintable()
    assert len(refusal) < 300
    assert all(text.isprintable() for text in texts(found))
    assert sum(map(len, texts(found))) < 12_000


def changed(announcement: Sample, path: tuple[str, ...], value: object) -> Sample:
    announcement = copy.deepcopy(announcement)
    part: Any = announcement
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return announcement


PATHS = [(name,) for name in EACH["FAILED"]] + [
    ("failure", "phase"),
    ("failure", "host"),
    ("failure", "reason"),
    ("failure", "log"),
    ("live", "label"),
    ("live", "since"),
    ("release", "label"),
]


@pytest.mark.hostile("announcements")
def test_a_corpus_of_values_in_an_announcement_is_refused_or_harmless(cases: Cases[Any]) -> None:
    for path, odd in cases(product(PATHS, (*ODD, *PIECES))):
        judge(changed(EACH["FAILED"], path, odd))
        judge(changed(EACH["FAILED"], path, [odd]))


@pytest.mark.hostile("announcements")
@given(
    JSON | st.dictionaries(st.sampled_from([*STARTED, "seconds"]), JSON).map(lambda odd: {**STARTED, **odd})
)
def test_any_json_is_refused_or_harmless(announcement: object) -> None:
    judge(announcement)


@pytest.mark.hostile("announcements")
@given(ANY)
def test_any_announcement_has_a_digest(announcement: Sample) -> None:
    digest(announcement)
    judge(announcement)


def test_a_freeze_that_was_announced_under_its_old_names_is_still_read() -> None:
    old = {name: value for name, value in FROZEN.items() if name != "unfreeze"}
    old |= {"outcome": "HELD", "resume": FROZEN["unfreeze"]}
    assert digest(old) == digest(FROZEN)
