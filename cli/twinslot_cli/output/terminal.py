"""What reaches the terminal, and the only place that writes to it.

Labels, keys, reasons, log lines and names come from people, jars and hosts: every text becomes printable
here, and none of it is read as markup. Colours are for terminals alone, and NO_COLOR turns them off.
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
"""Columns of what is no terminal: programs that read lines want them whole."""

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_PER_SECOND = 8
FORMAT = 1
"""The version of the JSON documents' shapes, which docs/cli.md describes."""

HANG = 2
"""How far what does not fit into a line stands in below it."""

NARROWEST = 30
"""Columns: where fewer would be left beside a hanging indent, it is smaller."""

Part = str | Text


def shown(text: object, style: str = "", limit: int = MAX_LINE_CHARACTERS) -> Text:
    """One line of any text, fit for a terminal, in a style."""
    return Text(sanitize(str(text), limit), style=style)


def line(*parts: Part) -> Text:
    """The parts, one behind the other."""
    return Text.assemble(*(part if isinstance(part, Text) else shown(part) for part in parts))


def hung(text: Text, width: int, hang: int) -> list[Text]:
    """A line as it stands in so many columns: broken between words, and all but the first part `hang`
    columns in. Nothing is left out."""
    if text.cell_len <= width:
        return [text]
    hang = hang if width - hang >= NARROWEST else min(hang, 4)
    head, body = text.divide([hang])
    broken = body.wrap(_console(io.StringIO()), max(1, width - hang), overflow="fold")
    parts = [line(head if number == 0 else " " * hang, part) for number, part in enumerate(broken)]
    for part in parts:
        part.rstrip()
    return parts


class Terminal:
    """Where a command writes. With `json` it says nothing but its one JSON document, and errors."""

    def __init__(self, *, json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json = json
        self._answered = False
        self._out = out or sys.stdout
        self._console = _console(self._out)
        self._errors = _console(err or sys.stderr)

    @property
    def is_alive(self) -> bool:
        """Whether lines can be drawn anew: somebody looks at it."""
        return self._console.is_terminal and not self.json

    @property
    def console(self) -> Console:
        """Rich's, for what draws itself; it gets nothing but what `shown` made."""
        return self._console

    @property
    def width(self) -> int:
        """How many columns there are; very many where it is no terminal."""
        return self._console.width

    def say(self, *parts: Part, hang: int = HANG) -> None:
        """A line. Where a terminal is too narrow for it, it goes on below, so many columns in; where `hang`
        is 0, as the terminal breaks it."""
        if not self.json:
            _print(self._console, line(*parts), hang)

    def complain(self, text: str) -> None:
        """A line on standard error."""
        _print(self._errors, line(shown("twinslot: ", "bold red"), text), HANG)

    def answer(self, document: dict[str, object]) -> None:
        """The JSON document of a command that was asked for one, in ASCII; nothing otherwise. There is
        one: the first that was given."""
        if self.json and not self._answered:
            self._answered = True
            self._out.write(json.dumps({"twinslot": FORMAT, **document}, indent=2) + "\n")
            self._out.flush()

    @contextmanager
    def drawing(self, draw: Callable[[], Sequence[Text]], hang: int) -> Iterator[None]:
        """Draw lines anew several times a second until it is left, where it is alive; the last ones stay.
        Long ones go on below, `hang` columns in."""
        if not self.is_alive:
            yield
            return

        def drawn() -> Text:
            return Text("\n").join(part for each in draw() for part in hung(each, self.width, hang))

        with Live(
            get_renderable=drawn,
            console=self._console,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield


def frame() -> str:
    """The picture of a spinner at this moment."""
    return FRAMES[int(time.monotonic() * FRAMES_PER_SECOND) % len(FRAMES)]


def moment(at: float) -> str:
    """Seconds since the epoch as people read them: `2026-11-22 19:37:26 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def length(seconds: float) -> str:
    """How long something took or takes: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def _print(console: Console, text: Text, hang: int) -> None:
    for part in hung(text, console.width, hang) if hang and console.is_terminal else [text]:
        console.print(part, soft_wrap=True)


def _console(file: TextIO) -> Console:
    """A console that takes nothing for markup, emoji or something to highlight."""
    if isinstance(file, io.TextIOWrapper):
        # A terminal that cannot spell a character gets a question mark, and nobody a traceback.
        file.reconfigure(errors="replace")
    console = Console(file=file, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console
