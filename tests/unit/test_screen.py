"""The terminal of the pictures shows what one sees in the end, and refuses what it cannot show."""

import sys
from pathlib import Path

import pytest

from lab.screenshots.screen import html, output, screen

DRAWS = """
from rich.console import Console
from rich.live import Live
console = Console(width=60, force_terminal=True, color_system="standard", highlight=False)
with Live(console=console, auto_refresh=False) as live:
    live.update("first\\nsecond", refresh=True)
    live.update("[green]third[/green]\\n<b>", refresh=True)
console.print("end")
"""


def test_what_was_drawn_over_is_gone(tmp_path: Path) -> None:
    environment = {"TERM": "xterm", "LANG": "C.UTF-8"}

    lines = screen(output([sys.executable, "-c", DRAWS], environment, tmp_path, 60).rstrip())

    assert lines == ["\x1b[32mthird\x1b[0m", "<b>", "end"]
    shown = html(lines)
    assert "first" not in shown
    assert ">third</span>\n&lt;b&gt;\nend" in shown


def test_a_terminal_that_would_have_to_do_more_is_refused() -> None:
    with pytest.raises(ValueError, match="2J"):
        screen("\x1b[2J")
