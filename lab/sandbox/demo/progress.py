"""Prints the demo's progress: a line for each event and, on a terminal, a last line that is updated."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

REFRESH_SECONDS = 0.25
CLEAR = "\r\x1b[K"


class Progress:
    """Prints one line at a time, prefixed with what it is `about`. May be used by several threads.

    `status` returns the last line, "" for none; only a terminal shows it.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self.about = ""
        self.status: Callable[[], str] = lambda: ""
        self._out = out or sys.stdout
        self._on_terminal = self._out.isatty()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._refresher = threading.Thread(target=self._refresh, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._on_terminal:
            self._refresher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._on_terminal:
            self._refresher.join()
            self._write(CLEAR)

    def line(self, what: str) -> None:
        """Print a line: the seconds so far, what it is about, what happened."""
        line = f"{time.monotonic() - self._began:6.1f} s  {self.about:<6}  {what}\n"
        self._write(f"{CLEAR}{line}{self.status()}" if self._on_terminal else line)

    def _refresh(self) -> None:
        while not self._ended.wait(REFRESH_SECONDS):
            self._write(CLEAR + self.status())

    def _write(self, text: str) -> None:
        with self._lock:
            self._out.write(text)
            self._out.flush()
