"""The results of a load: one record for each request, and the counts that follow from the records.

A file of records has one line for each request, its fields separated by tabs, in the order of the answers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LOST = "lost"


@dataclass(frozen=True)
class Record:
    """One request: `sent` in seconds since the epoch, `status` 0 and a `problem` without a complete answer.

    `release` is the answer's X-Release, "" when it has none, as an error page of nginx.
    """

    sent: float
    seconds: float
    status: int
    release: str
    problem: str = ""

    @property
    def served(self) -> bool:
        """Return whether the user got a 2xx."""
        return 200 <= self.status < 300

    def is_error_of(self, release: str) -> bool:
        """Return whether the release itself answered with a 5xx."""
        return self.status >= 500 and self.release == release

    def line(self) -> str:
        """Return the record as a line of a file."""
        return f"{self.sent:.6f}\t{self.seconds:.6f}\t{self.status}\t{self.release}\t{self.problem}\n"

    @classmethod
    def parse(cls, line: str) -> "Record":
        """Return the record of such a line. Raises ValueError."""
        sent, seconds, status, release, problem = line.rstrip("\n").split("\t")
        return cls(float(sent), float(seconds), int(status), release, problem)


class Traffic:
    """All requests of one load. The 5xx that `bad_release` itself answered are not lost."""

    def __init__(self, records: Iterable[Record], bad_release: str | None = None) -> None:
        self.records = tuple(records)
        self.bad_release = bad_release

    @classmethod
    def read(cls, path: Path, bad_release: str | None = None) -> "Traffic":
        """Return the traffic in a file of records, without a last line that is incomplete."""
        with path.open() as file:
            return cls((Record.parse(line) for line in file if line.endswith("\n")), bad_release)

    def __len__(self) -> int:
        return len(self.records)

    def during(self, start: float, end: float) -> "Traffic":
        """Return the requests sent from `start` until before `end`."""
        return Traffic((r for r in self.records if start <= r.sent < end), self.bad_release)

    def losses(self) -> Iterator[Record]:
        """Yield the requests without a 2xx, except the bad release's own 5xx."""
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
        """Return how many requests each release served."""
        return dict(Counter(r.release for r in self.records if r.served))

    def reasons(self) -> dict[str, int]:
        """Return how many were lost by reason, the most frequent first."""
        counted = Counter(r.problem or f"{r.status} from {r.release or 'nginx'}" for r in self.losses())
        return dict(counted.most_common())

    def quantile(self, share: float) -> float:
        """Return the seconds within which this share of the answers came; 0.0 without an answer."""
        answered = sorted(r.seconds for r in self.records if r.status)
        return answered[min(int(len(answered) * share), len(answered) - 1)] if answered else 0.0

    def rates(self, start: float, width: float) -> dict[str, dict[int, float]]:
        """Return requests a second in each bin of `width` seconds since `start`, by what became of them.

        That is a release's label, the label with " 5xx" for the bad release's own errors, or LOST.
        """
        rates: dict[str, dict[int, float]] = {}
        for record in self.records:
            if record.served:
                name = record.release
            else:
                name = f"{record.release} 5xx" if self._is_bad_releases_own(record) else LOST
            bins = rates.setdefault(name, {})
            number = int((record.sent - start) / width)
            bins[number] = bins.get(number, 0.0) + 1 / width
        return rates
