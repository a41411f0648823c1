"""The view of an announcement, from an act and from JSON: bounded, printable, else refused."""

import copy
import json
from dataclasses import fields, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.announce import wording
from twinslot.announce.build import AnnouncingAct, view_of
from twinslot.announce.email import subject, text
from twinslot.announce.facts import CHAT, FULL
from twinslot.announce.json_form import json_form
from twinslot.announce.parse import parse
from twinslot.announce.view import MAX_CHAT_HOSTS, listed
from twinslot.announce.wording import OUTCOMES, TABLE, TONES, Case
from twinslot.domain.model import Kind, Outcome
from twinslot.errors import BadEvent
from twinslot.shared.constants import VERSION

from tests.hostile import JSON, ODD, PIECES, Cases
from tests.unit.announcement_samples import (
    ACTS,
    ANY,
    COMMANDS,
    DRIFT,
    EACH,
    FROZEN,
    STARTED,
    UNFROZEN,
    Sample,
    ended,
    freeze,
)


def texts(value: object) -> list[str]:
    """Return every text in a view."""
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
        ("REVERTED", "❗ shop 1.4.2 was rolled back automatically"),
        ("REFUSED", "✋ shop/shop-1.4.2.jar was refused"),
        ("SUPERSEDED", "⏭️ shop 1.4.2 was superseded"),
        ("CANCELLED", "⏹️ shop 1.4.2 was cancelled"),
        ("STARTED", "🚀 shop 1.4.2 is being staged"),
        ("DRIFT", "⚠️ shop differs from the expected state on a host"),
        ("FROZEN", "⏸️ shop is frozen"),
        ("UNFROZEN", "▶️ shop is unfrozen"),
        ("join STARTED", "🚀 shop 1.4.2 goes to a new host"),
        ("join LIVE", "✅ shop 1.4.2 is live on 2 new hosts"),
        ("join FAILED", "❌ shop 1.4.2 did not go live on a new host"),
        ("rollback STARTED", "⏪ shop 1.4.2 is coming back"),
        ("rollback LIVE", "✅ shop 1.4.2 is live again"),
    ],
)
def test_each_announcement_has_a_headline(name: str, headline: str) -> None:
    assert str(parse(EACH[name]).headline) == headline


def test_a_failure_has_its_cause_its_place_and_its_log() -> None:
    failed = parse(EACH["FAILED"])
    assert failed.cause
    assert (failed.cause.reason, failed.cause.phase, failed.cause.host) == (
        "never answered /actuator/health",
        "staging",
        "i-2",
    )
    assert failed.cause.log == ("Started", "OutOfMemoryError")
    assert failed.meaning == "It did not go live, and no user saw it."
    assert failed.seconds == (("waiting", 0.5), ("staging", 99.5))


def test_a_host_that_could_not_join_does_not_alarm_about_what_is_live() -> None:
    assert "the live release stays live" in parse(EACH["join FAILED"]).meaning


def test_a_freeze_has_who_and_why_and_its_end_what_begins() -> None:
    frozen, unfrozen = parse(FROZEN), parse(UNFROZEN)
    assert frozen.origin == "Frozen by min-ji"
    assert frozen.cause and (frozen.cause_is, frozen.cause.reason) == ("Why", "stocktaking until noon")
    assert unfrozen.meaning == "1.4.3 was waiting and begins now."
    assert unfrozen.cause_is == "It was frozen because"
    assert frozen.meaning.startswith("Uploads wait, and the newest goes live when the app is unfrozen.")
    assert parse(freeze(True, "1.4.3")).meaning.startswith("1.4.3 waits until")
    assert parse({**UNFROZEN, "waiting": None}).meaning == "Nothing was waiting. Uploads are deployed again."


def test_of_many_hosts_the_first_are_named_and_the_others_counted() -> None:
    hosts = [f"i-{number}" for number in range(MAX_CHAT_HOSTS + 5)]
    assert listed(tuple(hosts), MAX_CHAT_HOSTS)[MAX_CHAT_HOSTS:] == ["and 5 more"]
    differences = [{"host": host, "what": "is gone"} for host in hosts]
    drift = parse({**DRIFT, "differences": differences, "others": 2})
    short = drift.within(CHAT)
    assert (len(short.differences), short.others) == (CHAT.differences, 7)
    for view in (drift, short):
        assert view.headline.predicate == "differs from the expected state on 17 hosts"


def test_of_a_long_log_the_last_lines_are_kept() -> None:
    failure = {**EACH["FAILED"]["failure"], "log": [f"line {number:080}" for number in range(1000)]}
    cause = parse({**EACH["FAILED"], "failure": failure}).within(CHAT).cause
    assert cause and cause.log[-1] == f"line {999:080}"
    assert CHAT.log - 90 < sum(len(line) + 1 for line in cause.log) <= CHAT.log


def test_a_command_that_is_too_long_is_left_out() -> None:
    assert parse({**ended(), "rollback": "x" * 10_000}).command == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"twinslot": None}, "format"),
        ({"twinslot": True}, "format"),
        ({"twinslot": 2, "announcement": ""}, "announcement"),
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
        parse({**ended(), **change})


@pytest.mark.parametrize(
    ("change", "headline", "meaning"),
    [
        (
            {"outcome": "EXPLODED", "live": [], "seconds": "new"},
            "🔔 shop 1.4.2 has the outcome EXPLODED",
            "Unknown outcome EXPLODED: written by twinslot 9.1.0, this is VERSION.",
        ),
        (
            {"twinslot": 2, "hosts": {"i-1": "x"}, "key": ["k"]},
            "✅ shop 1.4.2 is live",
            "Unknown format 2: written by twinslot 9.1.0, this is VERSION.",
        ),
        (
            {"kind": "canary"},
            "✅ shop 1.4.2 is live",
            "Unknown kind canary: written by twinslot 9.1.0, this is VERSION.",
        ),
        (
            {"color": "blue", "failure": {"phase": "warming-up", "x": 1}},
            "✅ shop 1.4.2 is live",
            "It is live on all",
        ),
    ],
)
def test_what_another_version_added_is_named_or_left_out(change: Sample, headline: str, meaning: str) -> None:
    view = parse({**ended(), "written_by": "9.1.0", **change})
    assert str(view.headline) == headline
    assert view.meaning.startswith(meaning.replace("VERSION", VERSION))
    assert view.live_is == ("Live now" if view.live else "")


def test_what_an_earlier_version_wrote_without_its_version_is_read() -> None:
    old = {name: value for name, value in ended().items() if name != "written_by"}
    assert parse(old) == replace(parse(ended()), written_by="")
    assert parse({**old, "kind": "canary"}).meaning.startswith(
        "Unknown kind canary: written by twinslot of an"
    )


def test_a_field_that_cannot_be_read_names_the_version_that_wrote_it() -> None:
    with pytest.raises(BadEvent, match=rf"live.*\(written by twinslot 9.1.0, this is {VERSION}\)"):
        parse({**ended(), "written_by": "9.1.0", "live": "1.4.2"})


@given(ACTS)
def test_the_view_of_an_act_is_the_view_of_its_json(act: AnnouncingAct) -> None:
    view = view_of(act, COMMANDS)
    assert parse(json.loads(json_form(act, view))) == view
    assert view.within(FULL) == view
    assert view.within(CHAT).within(CHAT) == view.within(CHAT)
    assert all(each.isprintable() for each in (*text(view).split("\n"), subject(view), *texts(view)))


@pytest.mark.parametrize("outcome", [*Outcome])
@pytest.mark.parametrize("kind", [*Kind])
@pytest.mark.parametrize("case", [*Case])
def test_every_outcome_has_words_for_every_kind_and_case(outcome: str, kind: str, case: Case) -> None:
    words = wording.words(outcome, kind, case)
    assert words in TABLE
    assert words.meaning.endswith(".")


def test_every_row_of_the_table_can_be_reached() -> None:
    kinds = ("", *Kind)
    reached = [wording.words(outcome, kind, case) for outcome in OUTCOMES for kind in kinds for case in Case]
    assert set(reached) == set(TABLE)
    assert len(set(TABLE)) == len(TABLE)


def test_each_outcome_has_one_tone_and_each_icon_too() -> None:
    assert set(TONES) == OUTCOMES
    tones: dict[str, set[wording.Tone]] = {}
    for row in TABLE:
        tones.setdefault(row.icon, set()).add(TONES[row.outcome])
    assert all(len(each) == 1 for each in tones.values())


def judge(announcement: object) -> None:
    refusal, found = "", None
    try:
        found = parse(announcement)
    except BadEvent as error:
        refusal = str(error)
    assert bool(refusal) != bool(found)
    assert refusal.isprintable()
    assert len(refusal) < 300
    assert all(text.isprintable() for text in texts(found))
    if found:
        short = replace(found.within(CHAT), hosts=(), unconfirmed=())
        assert sum(map(len, texts(short))) < 12_000


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
def test_any_announcement_has_a_view(announcement: Sample) -> None:
    parse(announcement)
    judge(announcement)


def test_a_freeze_that_was_announced_under_its_old_names_is_still_read() -> None:
    old = {name: value for name, value in FROZEN.items() if name != "unfreeze"}
    old |= {"outcome": "HELD", "resume": FROZEN["unfreeze"]}
    assert parse(old) == parse(FROZEN)
