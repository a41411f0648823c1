"""The counts that follow from a load's records."""

from pathlib import Path

import pytest

from lab.sandbox.traffic.records import Record, Traffic

GOOD = Record(100.0, 0.002, 200, "1.0.0")
BAD = Record(101.5, 0.004, 500, "4.0.0")
GONE = Record(101.9, 0.1, 0, "", "connection reset")


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "records.tsv"
    path.write_text(GOOD.line() + BAD.line() + GONE.line())
    assert Traffic.read(path).records == (GOOD, BAD, GONE)


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "records.tsv"
    path.write_text(GOOD.line() + BAD.line()[:9])
    assert Traffic.read(path).records == (GOOD,)


@pytest.mark.parametrize("status", [0, 301, 404, 499, 500, 502])
def test_any_answer_but_a_2xx_is_lost(status: int) -> None:
    assert Traffic([GOOD, Record(1.0, 0.1, status, "1.0.0")]).lost == 1


def test_only_the_bad_releases_own_5xx_is_forgiven() -> None:
    records = [BAD, Record(1.0, 0.1, 404, "4.0.0"), Record(1.0, 0.1, 502, ""), Record(1.0, 0.1, 500, "1.0.0")]
    traffic = Traffic(records, bad_release="4.0.0")
    assert (traffic.errors_from_bad_release, traffic.lost) == (1, 3)


def test_a_span_of_time_holds_its_start_and_not_its_end() -> None:
    traffic = Traffic([GOOD, BAD, GONE], bad_release="4.0.0").during(100.0, 101.9)
    assert (traffic.records, traffic.lost) == ((GOOD, BAD), 0)


def test_quantiles_are_of_what_was_answered() -> None:
    traffic = Traffic([GONE] + [Record(1.0, n / 1000, 200, "1.0.0") for n in range(100)])
    assert (traffic.quantile(0.5), traffic.quantile(0.99), traffic.quantile(1.0)) == (0.05, 0.099, 0.099)
    assert Traffic([GONE]).quantile(0.5) == 0.0


def test_rates_are_a_second_by_what_became_of_the_requests() -> None:
    traffic = Traffic([GOOD, GOOD, BAD, GONE], bad_release="4.0.0")
    assert traffic.rates(99.0, 0.5) == {"1.0.0": {2: 4.0}, "4.0.0 5xx": {5: 2.0}, "lost": {5: 2.0}}
