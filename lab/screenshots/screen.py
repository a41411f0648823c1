"""What a program leaves on a terminal, as HTML: its real output, with overwritten lines gone."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

ROWS = 60
CONTROL = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)")
UP, CLEARED, STYLED = re.compile(r"\x1b\[(\d*)A"), "\x1b[2K", "m"


def output(argv: Sequence[str], environment: Mapping[str, str], folder: Path, columns: int) -> str:
    """Run a program on a terminal of that width; return all that it writes."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        process = subprocess.Popen(
            argv, env=environment, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        told = b""
        while part := _read(ours):
            told += part
        process.wait()
    finally:
        os.close(ours)
    return told.decode()


def screen(text: str) -> list[str]:
    """Return the lines that are visible at the end, with the escape codes of their colours.

    Supports what Rich writes: colours, "up", "clear this line". Raises ValueError for anything else.
    """
    lines, row = [""], 0
    for part in CONTROL.split(text):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == CLEARED:
            lines[row] = ""
        elif up := UP.fullmatch(part):
            row -= int(up[1] or 1)
        elif part == "\r" or part.startswith("\x1b[?25"):
            continue  # Rich clears each line before it rewrites it; the cursor is not drawn
        elif part.startswith("\x1b[") and not part.endswith(STYLED):
            raise ValueError(f"the escape code {part!r} is not supported")
        else:
            lines[row] += part
    return lines


def html(lines: Sequence[str]) -> str:
    """Return the lines as they look on a dark terminal, without wrapping them."""
    width = max(map(len, lines), default=1)
    console = Console(file=io.StringIO(), record=True, width=width, markup=False, highlight=False)
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_html(theme=SVG_EXPORT_THEME, inline_styles=True, code_format="{code}")


def _read(descriptor: int) -> bytes:
    """Return what comes next; nothing after the writer has exited, which Linux reports as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
