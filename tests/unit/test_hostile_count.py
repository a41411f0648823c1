"""The count of hostile cases: every kind that reaches twinslot is tried, and 10,000 cases of them in all."""

from tests.hostile import LEAST, Tally


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


def test_the_summary_names_each_kind() -> None:
    tally = Tally()
    tally.tried.update({"keys": 1500, "jars": 2})
    assert tally.summary() == "hostile cases tried: 1,502 (jars 2, keys 1,500)"
