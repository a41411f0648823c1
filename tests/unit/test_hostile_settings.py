"""Settings are refused by BadSettings, or read and mean one thing alone to the host, to nginx and to java."""

import json
import re
import shlex
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.errors import BadSettings
from twinslot.intake.settings import parse
from twinslot.shared.settings_schema import SETTINGS, Settings
from twinslot_host.command.request import read_settings
from twinslot_host.nginx.config import configuration
from twinslot_host.system.errors import NotExecuted
from twinslot_host.system.paths import Paths
from twinslot_host.system.systemd import argument_file

from tests.hostile import JSON, ODD, PIECES, TEXT, Cases
from tests.unit.test_host_request import encoded

pytestmark = pytest.mark.hostile("settings")

NAMES = sorted(SETTINGS)
TEXTS = ("health_path", "java_options", "server_name", "tls_certificate")
SHAPES = ("/etc/{}/cert.pem", "{}", "/{}", "-D{}", "{}.example.com", "a{}b", "-Xmx1g{}")
PLAIN = {
    secure: configuration(Paths("shop"), Settings(tls_certificate=secure, tls_key=secure), True)[0]
    for secure in (None, "/-")
}


def judge(text: str) -> None:
    """What must hold of any parameter's value."""
    refusal = ""
    try:
        means_one_thing(parse(text))
    except BadSettings as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert len(refusal) < 1000


def means_one_thing(read: Settings) -> None:
    """The host checks again what the controller read, and writes it where others read it."""
    fields = {name: getattr(read, name) for name in NAMES}
    given = read_settings(encoded({**fields, "java_options": list(read.java_options)}))
    assert given == read
    writes_no_line_of_its_own(given)


def writes_no_line_of_its_own(given: Settings) -> None:
    plain = PLAIN["/-" if given.tls_certificate else None]
    lines = configuration(Paths("shop"), given, True)[0].splitlines()
    differing = {line for line, other in zip(lines, plain.splitlines(), strict=True) if line != other}
    allowed = {f"    server_name {given.server_name};"}
    if given.tls_certificate:
        allowed |= {
            f"    ssl_certificate {given.tls_certificate};",
            f"    ssl_certificate_key {given.tls_key};",
        }
    # The other one holds the digest of this very text.
    assert len(differing - allowed) == (1 if differing else 0)
    assert all(re.fullmatch(r"[ -~]+", line) and line.count(";") == 1 for line in differing & allowed)
    # A shell reads quotes and backslashes as java does in its @file: each option is one word, to the letter.
    assert tuple(shlex.split(argument_file(given.java_options))) == given.java_options


def judge_on_host(value: object) -> None:
    """The host validates settings, too: every caller with the right to send commands can choose them."""
    with suppress(NotExecuted):
        writes_no_line_of_its_own(read_settings(encoded(value)))


def test_a_value_of_another_kind_in_any_setting_is_refused_or_harmless(cases: Cases[Any]) -> None:
    for name, odd in cases(product(NAMES, ODD)):
        judge(json.dumps({name: odd}))
        judge(json.dumps({name: [odd]}))
        judge_on_host({name: odd})


def test_a_corpus_of_texts_in_any_setting_is_refused_or_harmless(cases: Cases[Any]) -> None:
    for name, shape, piece in cases(product(TEXTS, SHAPES, PIECES)):
        text = shape.replace("{}", piece)
        value = [text] if name == "java_options" else text
        values = {"tls_key": "/key.pem", name: value} if name == "tls_certificate" else {name: value}
        judge(json.dumps(values))
        judge_on_host(values)


def test_a_corpus_of_what_is_no_settings_is_refused(cases: Cases[str]) -> None:
    numbers = ("1" * 5000, "-" + "9" * 400, "1e400", "1E-400", "0x10", "01", "1.", "+1", "Infinity", "-NaN")
    texts = [
        *PIECES,
        *(f'{{"bake_seconds": {number}}}' for number in numbers),
        '{"a":1}{"b":2}',
        "{}\x00",
        "\ufeff{}",
    ]
    for text in cases(texts):
        with pytest.raises(BadSettings):
            parse(text)


@pytest.mark.parametrize("shape", ["{}", '{{"java_options": {}}}', '{{"server_name": [{}]}}', '{{"x": {}}}'])
def test_nesting_of_any_depth_is_refused(shape: str, cases: Cases[int]) -> None:
    """Also around Python's own limit, 1,000: what can just be read can also be shown."""
    for depth in cases([*range(800, 1000), 10_000, 100_000]):
        with pytest.raises(BadSettings) as refused:
            parse(shape.format("[" * depth + "]" * depth))
        assert str(refused.value).isprintable()


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(NAMES) | TEXT, JSON, max_size=3))
def test_any_value_of_any_setting_is_refused_or_harmless(given: dict[str, object]) -> None:
    judge(json.dumps(given))
    judge_on_host(given)


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(), max_size=30).map(lambda text: "-D" + text), max_size=5))
def test_any_options_are_refused_or_reach_java_to_the_letter(options: list[str]) -> None:
    judge(json.dumps({"java_options": options}))


@settings(max_examples=100)
@given(TEXT)
def test_any_text_is_refused_or_read(text: str) -> None:
    judge(text)
