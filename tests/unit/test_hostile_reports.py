"""A host that lies, or is not ours any more, is refused by BadReport or believed in short printable words."""

import copy
import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.aws import codec
from twinslot.domain.model import HostReport
from twinslot.errors import BadReport
from twinslot.intake import report
from twinslot_host.verbs.report import REPORT_BYTES, UNKNOWN_STATUS, compose

from tests.hostile import JSON, ODD, PIECES, TEXT, Cases
from tests.unit.test_report import DEPLOYMENT, HOST, REPORT

pytestmark = pytest.mark.hostile("host reports")

FIELDS: tuple[tuple[str, ...], ...] = (
    *((name,) for name in sorted(REPORT)),
    *(("slots", "blue", name) for name in sorted(REPORT["slots"]["blue"])),
    ("slots", "red"),
    ("seconds", "start"),
    ("seconds", "\x1b[2J"),
)
SMALLEST = 1e-130
"""DynamoDB keeps no number between this and 0, and none of more than 38 digits."""


def changed(field: tuple[str, ...], value: object) -> str:
    told = copy.deepcopy(REPORT)
    part = told
    for name in field[:-1]:
        part = part[name]
    part[field[-1]] = value
    return json.dumps(told)


def judge(output: str) -> None:
    """What must hold of anything that a host can print."""
    refusal = ""
    try:
        goes_no_further_than_it_may(report.read(output, HOST, "shop", "stage", DEPLOYMENT))
    except BadReport as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert len(refusal) < 1000


def goes_no_further_than_it_may(found: HostReport) -> None:
    assert (found.host, found.app, found.step, found.deployment) == (HOST, "shop", "stage", DEPLOYMENT)
    labels = [slot.label or "" for slot in found.slots.values()]
    assert all(text.isprintable() for text in (found.reason, *found.log, *labels))
    assert len(found.reason) <= 300
    assert len(found.log) <= 50
    assert max(map(len, found.log), default=0) <= 500
    assert set(found.slots) <= {"blue", "green"}
    assert codec.decode_fields(HostReport, codec.encode_fields(found)) == found
    numbers = [found.fence, *found.seconds.values(), *(slot.pid for slot in found.slots.values())]
    assert all(number == 0 or SMALLEST <= number < 10**15 for number in numbers)


def test_a_value_of_another_kind_in_any_field_is_refused_or_harmless(cases: Cases[Any]) -> None:
    for field, odd in cases(product(FIELDS, ODD)):
        judge(changed(field, odd))
        judge(changed(field, [odd]))


def test_a_corpus_of_texts_in_any_field_is_refused_or_harmless(cases: Cases[Any]) -> None:
    for field, piece in cases(product(FIELDS, PIECES)):
        judge(changed(field, piece))
        judge(changed(field, [piece]))


@pytest.mark.parametrize("spent", ["1e-200", "5e-324", "0.1e-130", "1e-131"])
def test_a_time_too_short_for_dynamodb_is_none(spent: str) -> None:
    """Such a number would not be kept, so that the command's end could never be taken in."""
    output = json.dumps(REPORT).replace("0.41", spent)
    assert report.read(output, HOST, "shop", "stage", DEPLOYMENT).seconds["download"] == 0


def test_what_stands_around_a_report_is_refused_or_passed_over(cases: Cases[Any]) -> None:
    whole = json.dumps(REPORT)
    for piece in cases(PIECES):
        judge(piece)
        judge(piece + whole)
        judge(whole + piece)
        judge(f"{piece}\n{whole}\n{report.ERROR_MARK}\n{piece}")


def test_a_report_that_is_cut_anywhere_is_refused(cases: Cases[int]) -> None:
    whole = json.dumps(REPORT)
    for length in cases(range(len(whole))):
        with pytest.raises(BadReport):
            report.read(whole[:length], HOST, "shop", "stage", DEPLOYMENT)


@settings(max_examples=250)
@given(st.sampled_from(FIELDS), JSON)
def test_any_value_in_any_field_is_refused_or_harmless(field: tuple[str, ...], value: object) -> None:
    judge(changed(field, value))


@settings(max_examples=150)
@given(TEXT, st.lists(TEXT, max_size=10))
def test_whatever_an_application_prints_its_host_makes_a_report_of_it(reason: str, log: list[str]) -> None:
    """The journal of an application is not the host's own word: it must not end the line of its report."""
    told = {name: value for name, value in REPORT.items() if name not in ("reason", "log")} | UNKNOWN_STATUS
    output = compose(told, bool(told["ok"]), reason, log).text
    assert len(output.encode()) <= REPORT_BYTES
    assert output.isprintable()
    found = report.read(output, HOST, "shop", "stage", DEPLOYMENT)
    goes_no_further_than_it_may(found)
    assert len(found.log) <= len(log)
