"""The journal of a slot as the verb logs prints it: the newest lines that fit, made printable."""

from hypothesis import given
from hypothesis import strategies as st
from twinslot_host.verbs.logs import LINE_CHARACTERS, LOG_BYTES, newest


def test_the_newest_lines_that_fit_are_kept() -> None:
    text = newest([f"{number} " + "ü" * 500 for number in range(99)])
    assert len(text.encode()) <= LOG_BYTES
    assert text.splitlines()[-1].startswith("98 ")
    assert len(text.splitlines()) == 22


def test_a_stack_trace_stays_legible_and_a_terminal_is_not_spoken_to() -> None:
    assert newest(["\tat shop.Shop", "a\x1b[31mb\x07"]) == "    at shop.Shop\na?[31mb?"


@given(st.lists(st.text(max_size=3 * LINE_CHARACTERS), max_size=30))
def test_whatever_was_logged_fits_and_prints(lines: list[str]) -> None:
    text = newest([line.replace("\n", " ") for line in lines])
    assert len(text.encode()) <= LOG_BYTES
    assert all(line.isprintable() and len(line) <= LINE_CHARACTERS for line in text.split("\n"))
