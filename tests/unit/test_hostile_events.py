"""An event of S3 is taken, passed over, or refused by BadEvent, whatever its fields contain."""

import copy
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.errors import BadEvent
from twinslot.intake.upload import Upload, parse
from twinslot_host.command.request import read_release

from tests.hostile import JSON, ODD, PIECES, TEXT, Cases
from tests.unit.test_host_request import encoded
from tests.unit.test_upload import EVENT, PATHS

pytestmark = pytest.mark.hostile("events")

FIELDS: tuple[tuple[str, ...], ...] = (*PATHS, ("detail", "requester"))
TEXTS = tuple(field for field in FIELDS if field[-1] not in ("detail", "bucket", "object", "size"))
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def changed(field: tuple[str, ...], value: object) -> dict[str, Any]:
    """The event with another value in this field."""
    event = copy.deepcopy(EVENT)
    part = event
    for name in field[:-1]:
        part = part[name]
    part[field[-1]] = value
    return event


def judge(event: Any) -> None:
    """What must hold of any event."""
    try:
        upload = parse(event, "")
    except BadEvent as error:
        refusal = str(error)
    else:
        refusal = upload.problem if upload else ""
        if upload:
            goes_no_further_than_it_may(upload)
    assert refusal.isprintable()
    assert len(refusal) < 1000


def goes_no_further_than_it_may(upload: Upload) -> None:
    assert ULID.fullmatch(upload.id)
    assert all(
        text.isprintable() for text in (upload.by, upload.key, upload.order.key, upload.order.sequencer)
    )
    assert len(upload.by) <= 100
    if not upload.problem:
        # The host checks again what the controller took: they must not disagree.
        named = {"bucket": upload.bucket, "key": upload.key, "version": upload.version}
        assert read_release("release", encoded({**named, "size": 1, "label": "1", "sha256": None}))


def test_a_value_of_another_kind_in_any_field_is_refused_or_harmless(cases: Cases[Any]) -> None:
    for field, odd in cases(product(FIELDS, ODD)):
        judge(changed(field, odd))


def test_a_corpus_of_texts_in_any_field_is_refused_or_harmless(cases: Cases[Any]) -> None:
    for field, piece in cases(product(TEXTS, PIECES)):
        judge(changed(field, piece))
        judge(changed(field, f"shop/{piece}.jar"))


def test_a_corpus_of_times_names_a_moment_or_is_refused(cases: Cases[str]) -> None:
    years = ("0000", "0001", "1969", "1970", "2026", "9999", "10000", "-001", "+2026", "٢٠٢٦")
    days = ("-01-01", "-12-31", "-02-30", "-00-00", "-W01-1", "-366", "0101", "")
    times = (
        "T00:00:00Z",
        "T23:59:60Z",
        "T24:00:00Z",
        "T00:00:00+23:59",
        "T00:00:00-23:59",
        "T00:00:00+24:00",
    )
    times += (" 00:00Z", "T00:00:00.000000001Z", "T00:00:00", "Z", "", "\x00")
    for parts in cases(product(years, days, times)):
        judge(changed(("time",), "".join(parts)))


def test_what_is_no_object_is_a_bad_event(cases: Cases[object]) -> None:
    for odd in cases(ODD):
        with pytest.raises(BadEvent):
            parse(odd, "shop")  # type: ignore[arg-type]


@settings(max_examples=250)
@given(st.sampled_from(FIELDS), JSON)
def test_any_value_in_any_field_is_refused_or_harmless(field: tuple[str, ...], value: object) -> None:
    judge(changed(field, value))


@settings(max_examples=200)
@given(st.sampled_from(TEXTS), TEXT)
def test_any_text_in_any_field_is_refused_or_harmless(field: tuple[str, ...], text: str) -> None:
    judge(changed(field, text))
