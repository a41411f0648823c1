"""The count of hostile cases: every kind that reaches twinslot is tried, and 10,000 cases of them in all."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.hostile import LEAST, HostileCases, Tally

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Any:
    """The configuration of a run that was started with these arguments."""
    return SimpleNamespace(
        args=list(arguments),
        invocation_params=SimpleNamespace(dir=ROOT),
        option=SimpleNamespace(collectonly=False),
    )


def test_a_run_of_all_tiers_tries_ten_thousand_cases() -> None:
    assert sum(count for kinds in LEAST.values() for count in kinds.values()) >= 10_000


def test_what_a_tier_has_not_tried_is_missing() -> None:
    tally = Tally()
    tally.tried.update({"keys": LEAST["unit"]["keys"], "jars": LEAST["unit"]["jars"] - 1})
    missing = tally.missing("unit")
    assert "keys" not in missing
    assert missing["jars"] == 1
    assert missing["subjects"] == LEAST["unit"]["subjects"]
    assert tally.missing("host") == {}


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (["tests/unit"], set(LEAST["unit"])),
        (["tests/controller/"], set(LEAST["controller"])),
        (["tests"], {*LEAST["unit"], *LEAST["controller"]}),
        (["tests/unit/test_hostile_keys.py"], set()),
        (["tests/host"], set()),
    ],
    ids=str,
)
def test_in_ci_a_whole_tier_that_tries_too_few_is_told_of_each_kind(
    arguments: list[str], kinds: set[str]
) -> None:
    assert set(HostileCases(required=True).missing(run(*arguments))) == kinds


def test_a_run_elsewhere_or_of_some_tests_owes_nothing(request: pytest.FixtureRequest) -> None:
    assert HostileCases(required=False).missing(run("tests/unit")) == {}
    narrowed = HostileCases(required=True)
    narrowed.pytest_deselected([request.node])
    assert narrowed.missing(run("tests/unit")) == {}


def test_the_summary_names_each_kind() -> None:
    tally = Tally()
    tally.tried.update({"keys": 1500, "jars": 2})
    assert tally.summary() == "hostile cases tried: 1,502 (jars 2, keys 1,500)"
