"""A host is believed only in the agreed shape and only for itself."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.domain.model import HostReport, SlotReport
from twinslot.errors import BadReport
from twinslot.intake import report

HOST = "i-0123456789abcdef0"
DEPLOYMENT = "01JD0000000000000000000000"
GREEN, BLUE = "ab" * 32, "cd" * 32

REPORT: dict[str, Any] = {
    "twinslot": 1,
    "host": HOST,
    "app": "shop",
    "verb": "stage",
    "step": "stage",
    "deployment": DEPLOYMENT,
    "fence": 7,
    "ok": True,
    "reason": "",
    "log": [],
    "live": "blue",
    "standby": False,
    "slots": {
        "blue": {
            "release": BLUE,
            "label": "1.4.1",
            "state": "active",
            "verified": True,
            "pid": 812,
            "restarts": 2,
        },
        "green": {
            "release": None,
            "label": None,
            "state": "inactive",
            "verified": False,
            "pid": 0,
            "restarts": 0,
        },
    },
    "sha256": GREEN,
    "seconds": {"download": 0.41, "start": 3},
}


def read(output: str) -> HostReport:
    return report.read(output, HOST, "shop", "stage", DEPLOYMENT)


def changed(**changes: object) -> str:
    return json.dumps(REPORT | changes)


def refusal(output: str) -> str:
    with pytest.raises(BadReport) as raised:
        read(output)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000
    return str(raised.value)


def test_a_report_of_an_older_document_has_no_restarts() -> None:
    slot = {name: value for name, value in REPORT["slots"]["blue"].items() if name != "restarts"}
    assert read(changed(slots={"blue": slot})).slots["blue"].restarts == 0


def test_a_report_of_the_agreed_shape_is_read() -> None:
    assert read(json.dumps(REPORT)) == HostReport(
        host=HOST,
        app="shop",
        verb="stage",
        step="stage",
        deployment=DEPLOYMENT,
        fence=7,
        ok=True,
        reason="",
        log=(),
        live="blue",
        standby=False,
        slots={
            "blue": SlotReport(BLUE, "1.4.1", "active", True, 812, 2),
            "green": SlotReport(None, None, "inactive", False, 0),
        },
        sha256=GREEN,
        seconds={"download": 0.41, "start": 3.0},
    )


def test_text_around_the_report_is_ignored() -> None:
    output = (
        "warning: something\n"
        + json.dumps(REPORT)
        + "\n\n----------ERROR-------\nfailed to run commands: exit status 1"
    )
    assert read(output).ok


def test_a_line_separator_within_the_report_does_not_end_its_line() -> None:
    output = json.dumps(REPORT | {"reason": "a\u2028b\x85c"}, ensure_ascii=False)
    assert read(output).reason == "a�b�c"


def test_fields_that_a_later_host_adds_are_passed_over() -> None:
    assert read(changed(colour="red")).ok


def test_a_host_where_nothing_was_ever_flipped_reports_no_live_slot() -> None:
    found = read(changed(live=None, sha256=None, slots={}))
    assert (found.live, found.sha256, found.slots) == (None, None, {})


@pytest.mark.parametrize(
    "output",
    [
        "",
        "\n\n",
        "Traceback (most recent call last):",
        json.dumps(REPORT)[:-20],
        "[" * 2400,
        '{"twinslot": NaN}',
        "----------ERROR-------\n/bin/sh: python3: not found",
    ],
)
def test_what_is_not_json_is_refused(output: str) -> None:
    refusal(output)


def test_standard_error_is_quoted_when_there_is_no_report() -> None:
    assert "python3: not found" in refusal("\n----------ERROR-------\n/bin/sh: python3: not found")


@pytest.mark.parametrize("output", ["[]", "1", "null", '"ok"', "{}"])
def test_json_of_another_shape_is_refused(output: str) -> None:
    refusal(output)


@pytest.mark.parametrize(
    "lie",
    [
        {"host": "i-0fffffffffffffff0"},
        {"app": "billing"},
        {"step": "flip"},
        {"deployment": "01JD0000000000000000000001"},
        {"twinslot": 2},
        {"host": "i-\x1b[2J" + "x" * 5000},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_report_that_speaks_for_something_else_is_refused(lie: dict[str, object]) -> None:
    assert next(iter(lie)) in refusal(changed(**lie)).replace("its format", "twinslot")


@pytest.mark.parametrize("name", sorted(REPORT))
def test_a_missing_field_is_refused(name: str) -> None:
    refusal(json.dumps({key: value for key, value in REPORT.items() if key != name}))


SLOT = REPORT["slots"]["blue"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"verb": "reboot"},
        {"fence": "7"},
        {"fence": True},
        {"fence": -1},
        {"fence": 10**18},
        {"ok": 1},
        {"ok": "true"},
        {"reason": None},
        {"log": "line"},
        {"log": [1]},
        {"live": "red"},
        {"live": 1},
        {"standby": 0},
        {"slots": []},
        {"slots": {"red": SLOT}},
        {"slots": {"blue": None}},
        {"slots": {"blue": SLOT | {"pid": "812"}}},
        {"slots": {"blue": SLOT | {"pid": 1.5}}},
        {"slots": {"blue": SLOT | {"restarts": -1}}},
        {"slots": {"blue": SLOT | {"release": "main"}}},
        {"slots": {"blue": SLOT | {"verified": None}}},
        {"slots": {"blue": SLOT | {"label": 1}}},
        {"slots": {"blue": {}}},
        {"sha256": "abc"},
        {"sha256": GREEN.upper()},
        {"seconds": {"start": "3"}},
        {"seconds": {"start": -1}},
        {"seconds": {"start": 10**400}},
        {"seconds": {"\x1b": 1}},
        {"seconds": {"x": True}},
        {"seconds": {f"s{number}": 1 for number in range(21)}},
        {"seconds": None},
    ],
    ids=str,
)
def test_a_field_of_the_wrong_type_or_range_is_refused(wrong: dict[str, object]) -> None:
    refusal(changed(**wrong))


def test_an_infinite_number_is_refused() -> None:
    refusal(json.dumps(REPORT).replace("0.41", "1e999"))


def test_text_of_a_host_is_made_printable_and_short() -> None:
    found = read(changed(reason="no\x1b[31m\n" + "x" * 400, log=["a\tb\x00", "y" * 900] * 40))
    assert found.reason.startswith("no�[31m ")
    assert len(found.reason) == 300
    assert len(found.log) == 50
    assert found.log[-2:] == ("a b�", "y" * 499 + "…")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.sampled_from(sorted(REPORT)), JSON)
def test_any_value_of_any_field_is_read_or_refused(name: str, value: object) -> None:
    with suppress(BadReport):
        found = read(changed(**{name: value}))
        assert (found.host, found.app, found.deployment) == (HOST, "shop", DEPLOYMENT)
        assert all(text.isprintable() for text in (found.reason, *found.log))


@given(st.text())
def test_any_output_is_refused(output: str) -> None:
    with pytest.raises(BadReport):
        read(output)
