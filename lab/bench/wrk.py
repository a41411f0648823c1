"""Load by wrk, which counts the requests and those that were lost."""

import contextlib
import json
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CONNECTIONS = 64
_SCRIPT = Path(__file__).with_name("count.lua")
# A slower answer counts as a timeout; the machine is busy on purpose.
_TIMEOUT_SECONDS = 10
_MAX_SECONDS = 3600
_ESTABLISHED = "01"


@dataclass
class Counted:
    """What wrk counted. `errors` are by kind: connect, read, write, timeout; status: an answer over 399.

    A read error is a connection that ended while wrk waited for an answer.
    """

    requests: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Return the number of requests without a good answer."""
        return sum(self.errors.values())

    def add(self, other: "Counted") -> None:
        """Add another load's counts."""
        self.requests += other.requests
        self.seconds += other.seconds
        for kind, number in other.errors.items():
            self.errors[kind] = self.errors.get(kind, 0) + number


@contextlib.contextmanager
def load(address: str, port: int) -> Iterator[Counted]:
    """Run keep-alive load during the block; the object is filled in at its end."""
    counted = Counted()
    argv = ["wrk", "--threads", "2", "--connections", str(CONNECTIONS), "--duration", f"{_MAX_SECONDS}s"]
    argv += ["--timeout", f"{_TIMEOUT_SECONDS}s", "--script", str(_SCRIPT), f"http://{address}:{port}/"]
    wrk = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _wait_for_connections(wrk, address, port)
        yield counted
        wrk.send_signal(signal.SIGINT)
        output, _ = wrk.communicate(timeout=_TIMEOUT_SECONDS * 2)
    finally:
        wrk.kill()
        wrk.wait()
    counted.add(Counted(**json.loads(output.splitlines()[-1])))


def _wait_for_connections(wrk: "subprocess.Popen[str]", address: str, port: int) -> None:
    """Wait for all connections. Raises RuntimeError when wrk ends or does not open them in time."""
    remote = f"{struct.unpack('<I', socket.inet_aton(address))[0]:08X}:{port:04X}"
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        fields = [line.split()[2:4] for line in Path("/proc/net/tcp").read_text().splitlines()]
        if fields.count([remote, _ESTABLISHED]) >= CONNECTIONS:
            return
        if wrk.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"wrk does not open {CONNECTIONS} connections to {address}:{port}")
        time.sleep(0.02)
