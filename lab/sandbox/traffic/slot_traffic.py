"""Requests a second by the slot that answered them, and those that failed."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.project import PORTS
from lab.sandbox.traffic.records import Record

FAILED = "failed"
"""Answered with a 5xx by a slot or by nginx, or not answered at all."""

ANSWER = re.compile(r'([0-9]{1,12})(?:\.[0-9]{1,6})? \S+ ([0-9]{3}) [^"]*"([^"]*)"')
"""The second, the status and the upstream addresses in a line of the access log, in docs/host.md's format."""

SLOT_OF_PORT = {str(port): slot for slot, port in PORTS.items()}
CLIENT_LEFT = "499"
MAX_READ_BYTES = 4 << 20

Events = Iterator[tuple[int, str]]
"""Seconds since the epoch, each with a slot or FAILED."""


class SlotTraffic:
    """Follows the hosts' access logs, which have every answer, and the users' records, which also have the
    requests that never reached nginx. May be used by several threads.

    `logs` returns the logs' paths; `users` is a file of records, None when there is none.
    """

    def __init__(self, logs: Callable[[], Sequence[Path]], users: Path | None = None) -> None:
        self._logs = logs
        self._users = users
        self._read: Counter[Path] = Counter()
        self._seconds: dict[int, Counter[str]] = {}
        self._lock = threading.Lock()

    def rates(self, until: int, seconds: int) -> dict[str, list[int]]:
        """Return the requests that each slot answered and those that FAILED, for each of the `seconds`
        seconds before `until` (since the epoch)."""
        with self._lock:
            for log in self._logs():
                self._count(_answers(self._new_lines(log)))
            if self._users:
                self._count(_unanswered(self._new_lines(self._users)))
            first = until - seconds
            self._seconds = {at: counted for at, counted in self._seconds.items() if at >= first}
            return {
                name: [self._seconds.get(at, Counter())[name] for at in range(first, until)]
                for name in (*PORTS, FAILED)
            }

    def _count(self, events: Events) -> None:
        for second, name in events:
            self._seconds.setdefault(second, Counter())[name] += 1

    def _new_lines(self, path: Path) -> list[str]:
        """Return the complete lines since the last call; a file that has shrunk is read from its start."""
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                at = self._read[path] if self._read[path] <= size else 0
                file.seek(max(at, size - MAX_READ_BYTES))
                data = file.read()
        except OSError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._read[path] = size - len(data) + len(complete)
        return complete.decode(errors="replace").splitlines()


def _answers(lines: list[str]) -> Events:
    """Of several upstream addresses the last one answered: nginx tries the standby after the live slot."""
    for line in lines:
        if found := ANSWER.match(line):
            second, status, upstreams = found.groups()
            slot = SLOT_OF_PORT.get(upstreams.rpartition(":")[2])
            if slot and status != CLIENT_LEFT:
                yield int(second), FAILED if status.startswith("5") else slot


def _unanswered(lines: list[str]) -> Events:
    for line in lines:
        try:
            record = Record.parse(line)
        except ValueError:
            continue
        if record.status == 0:
            yield int(record.sent + record.seconds), FAILED
