"""The only module that writes to the terminal.

Labels, keys, reasons, log lines and names come from people, jars and hosts: every text is sanitized here, and
none is parsed as markup. Colours are used on terminals only; NO_COLOR turns them off.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text
from twinslot.intake.sanitize import sanitize

MAX_LINE_CHARACTERS = 1000
PIPE_WIDTH = 4000
"""Columns where the output is not a terminal: programs read whole lines."""

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_PER_SECOND = 8
FORMAT = 1
"""The version of the JSON documents' format, described in docs/cli.md."""

INDENT = 2
"""Columns that the rest of a long line is indented by."""

MIN_TEXT_COLUMNS = 30
"""The indent is reduced to MIN_INDENT where fewer columns would be left beside it."""

MIN_INDENT = 4

Part = str | Text


def styled(text: object, style: str = "", limit: int = MAX_LINE_CHARACTERS) -> Text:
    """Return the text as one sanitized line of at most `limit` characters, in a style."""
    return Text(sanitize(str(text), limit), style=style)


def line(*parts: Part) -> Text:
    """Concatenate the parts, each sanitized."""
    return Text.assemble(*(part if isinstance(part, Text) else styled(part) for part in parts))


def wrap(text: Text, width: int, indent: int) -> list[Text]:
    """Break a line between words into rows of `width` columns; all but the first are indented."""
    if text.cell_len <= width:
        return [text]
    indent = indent if width - indent >= MIN_TEXT_COLUMNS else min(indent, MIN_INDENT)
    head, body = text.divide([indent])
    parts = body.wrap(_console(io.StringIO()), max(1, width - indent), overflow="fold")
    rows = [line(head if number == 0 else " " * indent, part) for number, part in enumerate(parts)]
    for row in rows:
        row.rstrip()
    return rows


class Terminal:
    """The output of a command. With `json` it writes one JSON document and nothing else, but for errors."""

    def __init__(self, *, json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json = json
        self._json_printed = False
        self._out = out or sys.stdout
        self._console = _console(self._out)
        self._errors = _console(err or sys.stderr)

    @property
    def is_live(self) -> bool:
        """Whether rows can be redrawn: the output is a terminal, and not JSON."""
        return self._console.is_terminal and not self.json

    @property
    def console(self) -> Console:
        """Rich's console, for progress bars; pass it only text from `styled`."""
        return self._console

    @property
    def width(self) -> int:
        """The number of columns; PIPE_WIDTH where the output is not a terminal."""
        return self._console.width

    def print(self, *parts: Part, indent: int = INDENT) -> None:
        """Print a line. On a narrow terminal it is wrapped with an indent; with the indent 0 it is not."""
        if not self.json:
            _print(self._console, line(*parts), indent)

    def print_error(self, text: str) -> None:
        """Print a line on standard error."""
        _print(self._errors, line(styled("twinslot: ", "bold red"), text), INDENT)

    def print_json(self, document: dict[str, object]) -> None:
        """Print the JSON document in ASCII, with --json only, and only the first of a run."""
        if self.json and not self._json_printed:
            self._json_printed = True
            self._out.write(json.dumps({"twinslot": FORMAT, **document}, indent=2) + "\n")
            self._out.flush()

    @contextmanager
    def redrawing(self, rows: Callable[[], Sequence[Text]], indent: int) -> Iterator[None]:
        """Redraw rows several times a second inside this context, on a live terminal; the last ones stay."""
        if not self.is_live:
            yield
            return

        def draw() -> Text:
            return Text("\n").join(part for row in rows() for part in wrap(row, self.width, indent))

        with Live(
            get_renderable=draw,
            console=self._console,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield


def spinner() -> str:
    """Return the present frame of the spinner."""
    return FRAMES[int(time.monotonic() * FRAMES_PER_SECOND) % len(FRAMES)]


def timestamp(at: float) -> str:
    """Format seconds since the epoch: `2026-11-22 19:37:26 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """Format seconds with the unit that fits: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def _print(console: Console, text: Text, indent: int) -> None:
    rows = wrap(text, console.width, indent) if indent and console.is_terminal else [text]
    for row in rows:
        console.print(row, soft_wrap=True)


def _console(file: TextIO) -> Console:
    """Return a console that does not interpret markup or emoji and does not highlight."""
    if isinstance(file, io.TextIOWrapper):
        # A character that the terminal's encoding lacks becomes a question mark instead of a traceback.
        file.reconfigure(errors="replace")
    console = Console(file=file, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console
