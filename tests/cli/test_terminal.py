"""Lines that hang where a terminal is too narrow for them."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text
from twinslot_cli.terminal import hung


@given(st.text(st.sampled_from("ab\u5bb6 -/"), max_size=200), st.integers(20, 130), st.integers(0, 30))
def test_a_line_that_is_too_long_goes_on_below_and_loses_nothing(text: str, width: int, hang: int) -> None:
    parts = [part.plain for part in hung(Text(text), width, hang)]

    assert "".join("".join(parts).split()) == "".join(text.split())
    others = parts[1:]
    assert all(cell_len(part) <= width for part in others)
    indents = {len(part) - len(part.lstrip(" ")) for part in others if part}
    assert all(indent >= min(hang, 4) for indent in indents)
