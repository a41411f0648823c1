"""DynamoDB Local: AWS's own engine as a Java program, its tables in memory, on a port of this machine.

Its licence forbids passing it on: `make setup` fetches it, by the pom.xml in dynamodb-local/.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / "build" / "setup" / "dynamodb-local"
MAIN = "com.amazonaws.services.dynamodbv2.local.main.ServerRunner"
START_SECONDS = 60
POLL_SECONDS = 0.05


def unavailable() -> str:
    """Why DynamoDB Local cannot run here; "" when it can."""
    if not shutil.which("java"):
        return "DynamoDB Local needs java, which is not on the PATH"
    if not list(JARS.glob("DynamoDBLocal-*.jar")):
        return f"DynamoDB Local is not in {JARS.relative_to(ROOT)}: `make setup` fetches it"
    return ""


@contextmanager
def running(log: Path) -> Iterator[str]:
    """The endpoint of an empty DynamoDB Local, which ends with the context and with this process.

    Raises RuntimeError, with what it wrote to `log`, when it ends at once or does not listen in time.
    """
    port = _free_port()
    # It lives for seconds: what compiles quickly is quicker than what compiles well.
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Djava.library.path={JARS}"]
    program = ["-cp", f"{JARS}/*", MAIN, "-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    # Also a test run that is killed takes it along.
    bound = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    with log.open("wb") as output:
        server = subprocess.Popen([*bound, *java, *program], stdout=output, stderr=output)
    try:
        _wait_until_it_listens(server, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        # It keeps nothing: there is nothing that it could end gracefully.
        server.kill()
        server.wait()


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"DynamoDB Local does not listen on {port}: {log.read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
