"""How many requests each slot answers, second by second, as the hosts' own access logs have it."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox.host import Host

SLOTS = ("blue", "green")
LONGEST_READ = 4 << 20


class SlotTraffic:
    """Follows the access logs of the hosts that `hosts` names; several threads may ask."""

    def __init__(self, hosts: Callable[[], Sequence[Host]]) -> None:
        self._hosts = hosts
        self._read: Counter[Path] = Counter()
        self._seconds: dict[int, Counter[str]] = {}
        self._lock = threading.Lock()

    def rates(self, until: int, seconds: int) -> dict[str, list[int]]:
        """Requests of each slot in each of the last `seconds` seconds before `until` (since the epoch)."""
        with self._lock:
            for host in self._hosts():
                self._follow(access_log(host))
            first = until - seconds
            self._seconds = {at: counted for at, counted in self._seconds.items() if at >= first}
            return {
                slot: [self._seconds.get(at, Counter())[slot] for at in range(first, until)] for slot in SLOTS
            }

    def _follow(self, log: Path) -> None:
        """Count the whole lines that came since; a log that was cut short begins anew."""
        try:
            with log.open("rb") as file:
                size = file.seek(0, 2)
                at = self._read[log] if self._read[log] <= size else 0
                file.seek(max(at, size - LONGEST_READ))
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read[log] = size - len(data) + len(whole)
        for line in whole.splitlines():
            moment, _, rest = line.partition(b" ")
            slot = rest.partition(b" ")[0].decode(errors="replace")
            if slot in SLOTS and moment.replace(b".", b"", 1).isdigit():
                self._seconds.setdefault(int(float(moment)), Counter())[slot] += 1


def access_log(host: Host) -> Path:
    """Where this machine sees the log; docs/host.md names its place on the host."""
    return host.machine.directory / "root" / "var" / "log" / "nginx" / f"twinslot-{host.app}.log"
