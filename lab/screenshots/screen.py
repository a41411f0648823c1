"""What a program leaves on a terminal: its real output, with what it drew anew drawn over, as HTML."""

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
    """All that a program writes to a terminal of that width, until it ends."""
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
    """The lines that are seen in the end, their colours still in them.

    Nothing is understood but what Rich writes: colours, "up", "clear this line". Raises ValueError for more.
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
            continue  # every line that is begun again was cleared; the cursor is not drawn
        elif part.startswith("\x1b[") and not part.endswith(STYLED):
            raise ValueError(f"a terminal would do more on {part!r} than is drawn here")
        else:
            lines[row] += part
    return lines


def html(lines: Sequence[str]) -> str:
    """The lines as they look on a dark terminal, as long as they are."""
    width = max(map(len, lines), default=1)
    console = Console(file=io.StringIO(), record=True, width=width, markup=False, highlight=False)
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_html(theme=SVG_EXPORT_THEME, inline_styles=True, code_format="{code}")


def _read(descriptor: int) -> bytes:
    """What comes next; nothing when whoever wrote has gone, which Linux tells by an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
