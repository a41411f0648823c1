"""What a load's requests came to: one record a request, and the exact counts that follow from them.

A file of records holds one line a request, its fields parted by tabs, in the order of the answers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """One request: `sent` in seconds since the epoch, `status` 0 and a `problem` when it got no whole answer.

    `release` is the answer's X-Release, "" where there was none: an error page of the proxy's own, for one.
    """

    sent: float
    seconds: float
    status: int
    release: str
    problem: str = ""

    @property
    def served(self) -> bool:
        """Whether the user got what was asked for."""
        return 200 <= self.status < 300

    def is_error_of(self, release: str) -> bool:
        """Whether this is a 5xx that the release itself answered."""
        return self.status >= 500 and self.release == release

    def line(self) -> str:
        """The record as it is written to a file."""
        return f"{self.sent:.6f}\t{self.seconds:.6f}\t{self.status}\t{self.release}\t{self.problem}\n"

    @classmethod
    def parse(cls, line: str) -> "Record":
        """The record of such a line; raises ValueError for any other."""
        sent, seconds, status, release, problem = line.rstrip("\n").split("\t")
        return cls(float(sent), float(seconds), int(status), release, problem)


class Traffic:
    """All requests of one load. The own 5xx of `bad_release` are no losses: what it answered got through."""

    def __init__(self, records: Iterable[Record], bad_release: str | None = None) -> None:
        self.records = tuple(records)
        self.bad_release = bad_release

    @classmethod
    def read(cls, path: Path, bad_release: str | None = None) -> "Traffic":
        """The traffic in a file of records; a last line that was cut short is left out."""
        with path.open() as file:
            return cls((Record.parse(line) for line in file if line.endswith("\n")), bad_release)

    def __len__(self) -> int:
        return len(self.records)

    def during(self, start: float, end: float) -> "Traffic":
        """The requests that were sent from `start` until before `end`."""
        return Traffic((r for r in self.records if start <= r.sent < end), self.bad_release)

    def losses(self) -> Iterator[Record]:
        """Requests that got no answer, or another than a 2xx that is not the bad release's own 5xx."""
        return (r for r in self.records if not r.served and not self._is_bad_releases_own(r))

    @property
    def lost(self) -> int:
        return sum(1 for _ in self.losses())

    @property
    def errors_from_bad_release(self) -> int:
        return sum(1 for r in self.records if self._is_bad_releases_own(r))

    def _is_bad_releases_own(self, record: Record) -> bool:
        return self.bad_release is not None and record.is_error_of(self.bad_release)

    def served_by(self) -> dict[str, int]:
        """How many requests each release served."""
        return dict(Counter(r.release for r in self.records if r.served))

    def reasons(self) -> dict[str, int]:
        """How many were lost for which reason, the commonest first."""
        counted = Counter(r.problem or f"{r.status} from {r.release or 'the proxy'}" for r in self.losses())
        return dict(counted.most_common())

    def quantile(self, share: float) -> float:
        """The seconds within which this share of the answered requests was answered; 0.0 when none was."""
        answered = sorted(r.seconds for r in self.records if r.status)
        return answered[min(int(len(answered) * share), len(answered) - 1)] if answered else 0.0

    def rates(self, start: float, width: float) -> dict[str, dict[int, float]]:
        """Requests a second in each span of `width` seconds since `start`, by what became of them.

        That is a release's label, the same with " 5xx" for the bad release's own errors, or "lost".
        """
        rates: dict[str, dict[int, float]] = {}
        for record in self.records:
            if record.served:
                name = record.release
            else:
                name = f"{record.release} 5xx" if self._is_bad_releases_own(record) else "lost"
            spans = rates.setdefault(name, {})
            span = int((record.sent - start) / width)
            spans[span] = spans.get(span, 0.0) + 1 / width
        return rates
