"""What a demo says of itself: the table, the summary, and when it is a failure."""

from pathlib import Path

import pytest

from lab.sandbox.demo import summary
from lab.sandbox.demo.chart import draw, title
from lab.sandbox.demo.costs import Cost
from lab.sandbox.demo.summary import Ended
from lab.sandbox.traffic.records import Record, Traffic

FIRST = Ended("1.0.0", "upload", "LIVE", 100.0, 109.0, {"staging": 2.5, "flipping": 0.25, "baking": 6.0})
BAD = Ended("4.0.0", "upload", "REVERTED", 120.0, 126.0, {"staging": 2.0, "baking": 3.0, "reverting": 0.5})
BACK = Ended("1.0.0", "rollback", "LIVE", 130.0, 139.5, {"staging": 2.0})
EXPECTED = [("1.0.0", "LIVE"), ("4.0.0", "REVERTED"), ("1.0.0", "LIVE")]


def ok(sent: float, release: str = "1.0.0") -> Record:
    return Record(sent, 0.001, 200, release)


GOOD_TRAFFIC = Traffic(
    [ok(110.0), ok(119.0), ok(121.0), Record(125.0, 0.001, 500, "4.0.0"), ok(131.0)], bad_release="4.0.0"
)
BAD_TRAFFIC = Traffic([ok(110.0), Record(121.0, 0.001, 502, ""), ok(131.0)], bad_release="4.0.0")


def test_the_summary_has_the_promised_shape() -> None:
    assert summary.as_json([FIRST, BAD], GOOD_TRAFFIC, Cost(10.0, (), (100.0, 50.04))) == {
        "requests": 5,
        "lost": 0,
        "errors_from_bad_release": 1,
        "deployments": [
            {"label": "1.0.0", "outcome": "LIVE", "seconds": 9.0, "phases": FIRST.phases},
            {"label": "4.0.0", "outcome": "REVERTED", "seconds": 6.0, "phases": BAD.phases},
        ],
        "controller_ms": 150.0,
        "overhead_seconds": 10.0,
    }


def test_costs_that_were_not_measured_are_null() -> None:
    found = summary.as_json([FIRST], GOOD_TRAFFIC, None)
    assert (found["controller_ms"], found["overhead_seconds"]) == (None, None)


def test_a_row_has_the_requests_from_its_deployment_until_the_next() -> None:
    rows = [line.split() for line in summary.as_table([FIRST, BAD, BACK], GOOD_TRAFFIC).splitlines()]
    assert rows == [
        ["release", "outcome", "seconds", *summary.PHASES, "served", "lost", "own", "5xx"],
        ["1.0.0", "LIVE", "9.0", "2.5", "0.2", "6.0", "-", "2", "0", "0"],
        ["4.0.0", "REVERTED", "6.0", "2.0", "-", "3.0", "0.5", "1", "0", "1"],
        ["1.0.0", "(rollback)", "LIVE", "9.5", "2.0", "-", "-", "-", "1", "0", "0"],
        ["all", "4", "0", "1"],
    ]


def test_nothing_fails_when_all_is_as_expected() -> None:
    assert summary.failings([FIRST, BAD, BACK], EXPECTED, GOOD_TRAFFIC, unseen="3.0.0") == []


@pytest.mark.parametrize(
    ("ended", "traffic", "words"),
    [
        ([FIRST, BAD, BACK], BAD_TRAFFIC, "1 requests lost: 1 times 502 from nginx"),
        ([FIRST, FIRST, BACK], GOOD_TRAFFIC, "expected 4.0.0 REVERTED, got 1.0.0 LIVE"),
        ([FIRST, BAD], GOOD_TRAFFIC, "2 deployments instead of 3"),
        ([FIRST, BAD, BACK], Traffic([]), "no request was sent"),
        ([FIRST, BAD, BACK], Traffic([ok(110.0, "3.0.0")]), "3.0.0 never became healthy, but answered 1"),
    ],
)
def test_what_is_not_as_expected_is_named(ended: list[Ended], traffic: Traffic, words: str) -> None:
    (failing,) = summary.failings(ended, EXPECTED, traffic, unseen="3.0.0")
    assert words in failing


def test_the_picture_names_the_result() -> None:
    assert title(GOOD_TRAFFIC) == "5 requests, 0 lost"
    assert title(BAD_TRAFFIC) == "3 requests, 1 lost"


def test_the_picture_is_a_png_of_the_traffic(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "traffic.png"
    draw(path, [FIRST, BAD, BACK], GOOD_TRAFFIC)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_there_is_no_picture_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no traffic"):
        draw(tmp_path / "traffic.png", [FIRST], Traffic([]))
