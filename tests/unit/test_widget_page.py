"""The widget's page: it shows the state of the apps, and no text from outside becomes a part of it."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from twinslot.domain.model import Application, Outcome, Phase, PhaseEntry, SlotReport

from functions.widget.page import page, trouble
from functions.widget.reading import MAX_APPS, MAX_DEPLOYMENTS, Shown
from functions.widget.slots import GONE_SECONDS, MAX_HOSTS, SILENT_SECONDS
from functions.widget.view import outcome_pill
from tests.hostile import TEXT
from tests.unit.apps import (
    ARN,
    BAD,
    FIRST,
    FROZEN,
    HOST,
    MOVING,
    NEXT,
    NOW,
    QUIET,
    SECOND,
    VIEW,
    ended,
    slot,
    snapshot,
    written_by_a_stranger,
)

MAX_ANSWER_BYTES = 6 * 1024 * 1024
"""Lambda's limit for the answer of a synchronous invocation (Lambda quotas)."""


class Read(HTMLParser):
    """What a browser would make of a page: the elements with the names of their attributes, and the texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.values: dict[str, list[str]] = {}
        self.texts: list[str] = []
        self.sent: list[str] = []
        self.oddities: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            self.values.setdefault(f"{tag}.{name}", []).append(value or "")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.texts.append(data)
        if "cwdb-action" in self._open:
            self.sent.append(data)

    def handle_comment(self, data: str) -> None:
        self.oddities.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def read(*apps: Shown, more: int = 0) -> Read:
    return Read(page(apps, more, VIEW))


def test_an_app_shows_what_is_live_and_what_is_warm() -> None:
    text = read(QUIET).text
    assert "shop 1.4.2 live for 31 min" in text
    assert f"{HOST} last report 3 min ago" in text
    assert "blue warm 1.4.1 running, went live 2 h ago" in text
    assert "green LIVE 1.4.2 running, live for 31 min" in text


def test_the_history_shows_how_each_ended_when_how_long_and_by_whom_and_why_not() -> None:
    text = read(QUIET).text
    assert "LIVE 1.4.2" in text
    assert "18:58:23 39.5" in text
    assert "anna" in text
    assert "REVERTED 1.5.0 18:29:23" in text
    assert f"{HOST}: 12 of 96 answers were 5xx" in text


def test_a_slot_that_is_empty_or_stopped_looks_so() -> None:
    empty = SlotReport(None, None, "inactive", False, 0)
    stopped = slot(FIRST, "inactive", verified=False)
    assert (
        "blue empty no release" in read(replace(QUIET, snapshots=(snapshot("green", {"blue": empty}),))).text
    )
    assert (
        "blue idle 1.4.1 stopped"
        in read(replace(QUIET, snapshots=(snapshot("green", {"blue": stopped}),))).text
    )


def test_the_deployment_under_way_has_the_seconds_of_its_phases() -> None:
    shown = read(MOVING)
    assert "Deploying 1.6.0 by ci, for 23 s so far" in shown.text
    assert "staging 8.9 s flipping 1.0 s baking 13 s" in shown.text
    # Thirteen seconds of the thirty of its bake_seconds.
    assert shown.values["div.style"] == ["width: 100%", "width: 100%", "width: 43%"]


def test_a_bake_is_measured_by_its_own_setting_and_not_by_the_last_bake() -> None:
    longer = replace(NEXT, settings=replace(NEXT.settings, bake_seconds=130))
    shown = read(replace(QUIET, application=replace(QUIET.application, current=longer)))
    assert shown.values["div.style"][-1] == "width: 10%"


def test_a_phase_that_takes_longer_than_ever_never_looks_done() -> None:
    late = replace(NEXT, timeline=(PhaseEntry(Phase.STAGING, NOW - 9000),), phase=Phase.STAGING)
    shown = read(replace(QUIET, application=replace(QUIET.application, current=late)))
    assert shown.values["div.style"] == ["width: 95%", "width: 0%", "width: 0%"]


def test_going_back_is_a_phase_of_its_own() -> None:
    back = replace(
        NEXT, phase=Phase.REVERTING, timeline=(*NEXT.timeline, PhaseEntry(Phase.REVERTING, NOW - 1))
    )
    text = read(replace(QUIET, application=replace(QUIET.application, current=back))).text
    assert "baking 12.0 s reverting 1 s" in text


def test_a_freeze_shows_who_why_and_what_waits() -> None:
    text = read(FROZEN).text
    assert "Frozen by anna for 1 h : the database is being moved" in text
    assert "Uploads wait until the app is unfrozen; 1.6.0 waits." in text


def button(shown: Read) -> tuple[str, dict[str, str]]:
    """The confirmation of the only button, and what it sends."""
    (confirmation,) = shown.values["cwdb-action.confirmation"]
    assert shown.values["cwdb-action.endpoint"] == [ARN]
    assert shown.values["cwdb-action.action"] == ["call"]
    return confirmation, json.loads("".join(shown.sent))


def test_the_button_asks_before_it_goes_back_to_exactly_what_it_names() -> None:
    confirmation, sent = button(read(QUIET))
    assert confirmation == "Roll back shop from 1.4.2 to 1.4.1?"
    assert sent == {"app": "shop", "by": "the dashboard", "to": FIRST.id}


def test_the_button_is_just_before_its_action() -> None:
    tags = [tag for tag, _ in read(QUIET).elements]
    assert tags[tags.index("cwdb-action") - 1] == "a"


def test_the_button_warns_that_what_is_under_way_is_cancelled() -> None:
    confirmation, _ = button(read(MOVING))
    assert confirmation.endswith("This cancels the deployment of 1.6.0, which is under way.")


def test_a_release_that_never_ended_live_is_named_too() -> None:
    cut_short = replace(FIRST, outcome=Outcome.CANCELLED)
    _, sent = button(read(replace(QUIET, history=(SECOND, cut_short))))
    assert sent == {"app": "shop", "by": "the dashboard", "to": FIRST.id}


def test_without_a_release_to_go_back_to_there_is_no_button() -> None:
    first = replace(QUIET, application=replace(QUIET.application, previous=None))
    assert not [tag for tag, _ in read(first).elements if tag in ("a", "cwdb-action")]


def test_an_account_without_an_app_explains_what_to_do() -> None:
    text = read().text
    assert "No app has been deployed yet" in text
    assert "twinslot=shop" in text
    assert "UploadCommand" in text


def test_what_is_under_way_and_what_is_frozen_is_first_and_unfolded_among_many() -> None:
    many = [replace(QUIET, application=replace(QUIET.application, name=f"app-{n:02}")) for n in range(48)]
    shown = read(*many, FROZEN, replace(MOVING, application=replace(MOVING.application, name="zoo")), more=7)
    folded = [("open" in names) for tag, names in shown.elements if tag == "details"]
    assert folded == [True, True] + [False] * 48
    assert shown.text.index("zoo") < shown.text.index("Frozen") < shown.text.index("app-00")
    assert "and 7 more apps" in shown.text


def test_a_few_apps_are_all_unfolded() -> None:
    assert [names for tag, names in read(QUIET, MOVING).elements if tag == "details"] == [
        ("class", "open")
    ] * 2


def test_a_silent_host_looks_so_and_one_that_is_long_gone_is_left_out() -> None:
    slots = {"green": slot(SECOND)}
    silent = snapshot("green", slots, "i-silent", ago=SILENT_SECONDS + 1)
    gone = snapshot("green", slots, "i-gone", ago=GONE_SECONDS + 1)
    text = read(replace(QUIET, snapshots=(silent, gone))).text
    assert "i-silent no report for 1 h" in text
    assert "i-gone" not in text


def test_times_are_in_the_viewers_time_zone() -> None:
    html = page([QUIET], 0, replace(VIEW, offset=540))
    assert "as of 04:29:23 UTC+0900" in html
    assert "2026-11-23 03:58:23 UTC+0900" in html


def test_a_dark_dashboard_gets_a_dark_page() -> None:
    assert 'class="twinslot dark"' in page([QUIET], 0, replace(VIEW, dark=True))
    assert 'class="twinslot"' in page([QUIET], 0, VIEW)


def test_what_cannot_be_read_is_shown() -> None:
    assert "loading shop: throttled &lt;b&gt;" in trouble("loading shop: throttled <b>", VIEW)


def test_the_longest_page_is_far_below_what_lambda_takes() -> None:
    stranger = written_by_a_stranger("\U0010ffff&" * 500)
    hosts = stranger.snapshots * (MAX_HOSTS + 500)
    history = tuple(replace(stranger.history[0], id=f"{n}") for n in range(MAX_DEPLOYMENTS))
    drift = stranger.application.drift * 500
    largest = Shown(replace(stranger.application, drift=drift), hosts, history)
    answer = json.dumps(page([largest] * MAX_APPS, 0, VIEW))
    assert len(answer) < MAX_ANSWER_BYTES / 2
    # What did not fit is not kept from anybody.
    drawn = answer.count("<details")
    assert 0 < drawn < MAX_APPS
    assert f"and {MAX_APPS - drawn} more apps" in answer


@pytest.mark.hostile("pages")
@given(text=TEXT)
def test_no_text_adds_an_element_or_an_attribute(text: str) -> None:
    plain, hostile = read(written_by_a_stranger("x")), read(written_by_a_stranger("x" + text))
    assert hostile.elements == plain.elements
    assert hostile.oddities == []
    for name, values in hostile.values.items():
        if name not in ("cwdb-action.confirmation", "td.title", "span.title"):
            assert values == plain.values[name]


@pytest.mark.hostile("pages")
@given(text=TEXT)
def test_no_text_changes_what_the_button_sends(text: str) -> None:
    assert button(read(written_by_a_stranger(text)))[1] == button(read(written_by_a_stranger("x")))[1]


def test_nothing_is_on_the_page_that_cloudwatch_takes_out_or_that_leaves_it() -> None:
    shown = read(QUIET, MOVING, FROZEN)
    tags = {tag for tag, _ in shown.elements}
    attributes = {name for _, names in shown.elements for name in names}
    assert not tags & {"script", "iframe", "use", "object", "embed", "form", "link", "img"}
    assert not {name for name in attributes if name.startswith("on")}
    assert not attributes & {"href", "src"}


def test_an_app_without_anything_is_drawn() -> None:
    assert "nothing is live" in read(Shown(Application("shop"))).text


def test_a_deployment_without_a_timeline_is_drawn() -> None:
    bare = replace(ended(1, "1.0.0", Outcome.REFUSED, 5), timeline=(), release=None)
    assert "shop/shop-1.0.0.jar" in read(replace(QUIET, history=(bare, BAD))).text


@pytest.mark.parametrize(
    ("outcome", "tone"),
    [
        (Outcome.LIVE, "pill good"),
        (Outcome.FAILED, "pill bad"),
        (Outcome.REVERTED, "pill bad"),
        (Outcome.REFUSED, "pill warn"),
        (Outcome.SUPERSEDED, "pill neutral"),
        (Outcome.CANCELLED, "pill neutral"),
    ],
)
def test_each_colour_of_an_outcome_has_one_meaning(outcome: Outcome, tone: str) -> None:
    assert outcome_pill(replace(BAD, outcome=outcome)).startswith(f'<span class="{tone}" title=')


def test_an_outcome_has_its_meaning_as_a_tooltip() -> None:
    assert "It failed after traffic had moved to it. The previous release is live again." in page(
        [QUIET], 0, VIEW
    )
