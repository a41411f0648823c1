"""How many requests each slot serves, and how many fail, second by second, by the hosts' own access logs."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.sandbox.hosts.ec2_host import Host

SLOTS = ("blue", "green")
FAILED = "failed"
"""Answered with 5xx, by whichever slot or by nginx itself."""

MOMENT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
MAX_READ_BYTES = 4 << 20


class SlotTraffic:
    """Follows the access logs of the hosts that `hosts` names; several threads may ask."""

    def __init__(self, hosts: Callable[[], Sequence[Host]]) -> None:
        self._hosts = hosts
        self._read: Counter[Path] = Counter()
        self._seconds: dict[int, Counter[str]] = {}
        self._lock = threading.Lock()

    def rates(self, until: int, seconds: int) -> dict[str, list[int]]:
        """What each slot served and what failed, in each of the `seconds` seconds before `until` (since the
        epoch)."""
        with self._lock:
            for host in self._hosts():
                self._follow(access_log(host))
            first = until - seconds
            self._seconds = {at: counted for at, counted in self._seconds.items() if at >= first}
            return {
                name: [self._seconds.get(at, Counter())[name] for at in range(first, until)]
                for name in (*SLOTS, FAILED)
            }

    def _follow(self, log: Path) -> None:
        """Count the whole lines that came since; a log that was cut short begins anew."""
        try:
            with log.open("rb") as file:
                size = file.seek(0, 2)
                at = self._read[log] if self._read[log] <= size else 0
                file.seek(max(at, size - MAX_READ_BYTES))
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read[log] = size - len(data) + len(whole)
        for line in whole.splitlines():
            moment, slot, status = (*line.decode(errors="replace").split(" ", 3), "", "", "")[:3]
            if slot in SLOTS and MOMENT.fullmatch(moment):
                name = FAILED if status.startswith("5") else slot
                self._seconds.setdefault(int(float(moment)), Counter())[name] += 1


def access_log(host: Host) -> Path:
    """Where this machine sees the log; docs/host.md names its place on the host."""
    return host.machine.directory / "root" / "var" / "log" / "nginx" / f"twinslot-{host.app}.log"
