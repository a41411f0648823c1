"""Text of unknown origin comes out as one short visible line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.intake.sanitize import quoted, sanitize


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("Grüße, 世界 🎉", 20, "Grüße, 世界 🎉"),
        ("one\r\ntwo\tthree", 20, "one  two three"),
        ("\x1b[2J\x07", 20, "�[2J�"),
        ("a\u202eb\u2028c\ud800", 20, "a�b�c�"),
        ("1234567890", 10, "1234567890"),
        ("12345678901", 10, "123456789…"),
    ],
)
def test_what_cannot_be_seen_is_replaced_and_long_text_is_cut(text: str, limit: int, expected: str) -> None:
    assert sanitize(text, limit) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(id)", '"$(id)"'),
        ('a"b\\', r'"a\"b\\"'),
        ("a\nb\x7f", r'"a\nb\u007f"'),
        ("\u202eü", r'"\u202e' + 'ü"'),
        ("\ud800", r'"\ud800"'),
        ("쇼핑몰.jar", '"쇼핑몰.jar"'),
        ("x" * 101, '"' + "x" * 100 + '..."'),
    ],
)
def test_quoted_text_shows_what_can_be_seen_and_escapes_the_rest(text: str, expected: str) -> None:
    assert quoted(text) == expected


@given(st.text(st.characters()), st.integers(1, 50))
def test_nothing_comes_out_longer_or_less_visible_than_promised(text: str, limit: int) -> None:
    assert len(sanitize(text, limit)) <= limit
    assert sanitize(text, limit).isprintable()
    assert quoted(text, limit).isprintable()
    assert text.startswith(json.loads(quoted(text, limit)).removesuffix("..."))
