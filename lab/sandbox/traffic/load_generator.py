"""Keep-alive HTTP load on one address, at a limited rate, with an exact record of each request.

It runs in its own process, so that its caller's work does not delay requests; `Load` starts and stops it. As
a command: python -m lab.sandbox.traffic.load_generator 10.1.2.3:80 --rate 200 --seconds 30 records.tsv

A keep-alive connection that the server closed while it was idle, which is seen before the next request is
sent, is reopened and nothing is lost. A request that was sent is never retried: without a complete answer it
is lost.
"""

import argparse
import asyncio
import json
import math
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from lab.project import ROOT
from lab.sandbox.traffic.records import Record, Traffic

TIMEOUT_SECONDS = 10.0
"""A request without a complete answer after this time is lost."""

POST_EVERY = 10
"""Every tenth request is a POST: a proxy must not retry it, so that it shows losses that a retried GET
hides."""

MAX_HEAD_BYTES = 65_536
RELEASE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class NoAnswer(Exception):
    """A request got no complete answer; the text is the reason."""


class Connection:
    """One keep-alive connection, opened on demand; `renewed` counts those that were closed while idle."""

    def __init__(self, host: str, port: int) -> None:
        self.renewed = 0
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._loop = asyncio.get_running_loop()

    async def exchange(self, request: bytes) -> tuple[int, str]:
        """Send the request once; return the answer's status and release. Raises NoAnswer."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                connection = await self._ready()
                await self._loop.sock_sendall(connection, request)
                return await self._answer(connection)
        except TimeoutError:
            problem = f"no complete answer in {TIMEOUT_SECONDS:g} s"
        except ConnectionRefusedError:
            problem = "connection refused"
        except ConnectionResetError:
            problem = "connection reset"
        except OSError as error:
            problem = f"{type(error).__name__} {error.errno}"
        except NoAnswer as error:
            problem = str(error)
        except ValueError:
            problem = "answer is not HTTP"
        self.close()
        raise NoAnswer(problem)

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()

    async def _ready(self) -> socket.socket:
        if self._socket is not None and self._was_closed_while_idle(self._socket):
            self.renewed += 1
            self.close()
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(self._socket, self._address)
        return self._socket

    @staticmethod
    def _was_closed_while_idle(connection: socket.socket) -> bool:
        """Return whether there is something to read where nothing should be: the end, a reset, an answer."""
        try:
            connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    async def _answer(self, connection: socket.socket) -> tuple[int, str]:
        head = await self._until(connection, b"\r\n\r\n", "closed without an answer")
        status, headers = _parse(head)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            await self._skip_chunks(connection)
        elif "content-length" in headers:
            await self._take(connection, int(headers["content-length"]))
        elif status not in (204, 304):
            raise NoAnswer("answer of unknown length")
        if headers.get("connection", "").lower() == "close":
            self.close()
        release = headers.get("x-release", "")
        return status, release if RELEASE.fullmatch(release) else ""

    async def _skip_chunks(self, connection: socket.socket) -> None:
        size = -1
        while size != 0:
            line = await self._until(connection, b"\r\n", "closed inside the answer")
            size = int(line.split(b";")[0], 16)
            await self._take(connection, size)
            await self._until(connection, b"\r\n", "closed inside the answer")

    async def _until(self, connection: socket.socket, mark: bytes, problem: str) -> bytes:
        """Return the bytes before the next `mark`, and remove them and the mark from the buffer."""
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise NoAnswer("answer is not HTTP")
            await self._fill(connection, "closed inside the answer" if self._buffer else problem)
        taken = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return taken

    async def _take(self, connection: socket.socket, size: int) -> None:
        while len(self._buffer) < size:
            await self._fill(connection, "closed inside the answer")
        del self._buffer[:size]

    async def _fill(self, connection: socket.socket, problem: str) -> None:
        data = await self._loop.sock_recv(connection, 65_536)
        if not data:
            raise NoAnswer(problem)
        self._buffer += data


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    """Return the status, and the headers by their lower-case names.

    Raises ValueError unless it is HTTP/1.1.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split(" ")[:2]
    if version != "HTTP/1.1":
        raise ValueError(first)
    pairs = (line.partition(":") for line in lines)
    return int(status), {name.strip().lower(): value.strip() for name, _, value in pairs}


class Generator:
    """The load: `connections` connections send `rate` requests a second together, evenly distributed."""

    def __init__(
        self, address: str, path: str, rate: float, connections: int, records: Path, posts: bool = True
    ) -> None:
        host, _, port = address.partition(":")
        self._host, self._port = host, int(port or "80")
        self._interval = connections / rate
        self._connections = connections
        head = f"Host: {host}\r\nUser-Agent: twinslot-load\r\n"
        self._get = f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
        self._post = f"POST {path} HTTP/1.1\r\n{head}Content-Length: 5\r\n\r\nhello".encode()
        self._posts = posts
        self._records = records
        self._stop = asyncio.Event()
        self._requests = 0
        self._failed = 0
        self._renewed = 0

    def stop(self) -> None:
        """Send no more requests; those that were sent are still answered."""
        self._stop.set()

    async def run(self, seconds: float) -> None:
        """Run for so many seconds or until stopped. Prints the counts as a line of JSON each second."""
        asyncio.get_running_loop().call_later(seconds, self.stop)
        with self._records.open("w") as self._file:
            counts = asyncio.create_task(self._report())
            start = time.monotonic()
            shift = self._interval / self._connections
            lanes = (self._lane(start + i * shift) for i in range(self._connections))
            await asyncio.gather(*lanes)
            await counts
            self._print_counts()

    async def _lane(self, start: float) -> None:
        """Send one connection's requests.

        Requests that became due while an answer was late are skipped: sent later, they would come in bursts,
        on all connections at once.
        """
        connection = Connection(self._host, self._port)
        due, sent = start, 0
        while not await self._stopped_before(due):
            is_post = self._posts and sent % POST_EVERY == POST_EVERY - 1
            await self._send(connection, self._post if is_post else self._get)
            sent += 1
            due += self._interval * max(1, math.ceil((time.monotonic() - due) / self._interval))
        self._renewed += connection.renewed
        connection.close()

    async def _stopped_before(self, due: float) -> bool:
        while not self._stop.is_set() and (left := due - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.5))
        return self._stop.is_set()

    async def _send(self, connection: Connection, request: bytes) -> None:
        sent, start = time.time(), time.monotonic()
        status, release, problem = 0, "", ""
        try:
            status, release = await connection.exchange(request)
        except NoAnswer as error:
            problem = str(error)
        record = Record(sent, time.monotonic() - start, status, release, problem)
        self._requests += 1
        self._failed += not record.served
        self._file.write(record.line())

    async def _report(self) -> None:
        while not self._stop.is_set():
            self._print_counts()
            try:
                await asyncio.wait_for(self._stop.wait(), 1.0)
            except TimeoutError:
                continue

    def _print_counts(self) -> None:
        self._file.flush()
        counts = {"requests": self._requests, "not_served": self._failed, "renewed": self._renewed}
        print(json.dumps(counts), flush=True)


class Load:
    """A load in its own process, from entering until `stop`. The process ends with its caller."""

    def __init__(
        self,
        address: str,
        records: Path,
        rate: float = 300.0,
        connections: int = 32,
        path: str = "/",
        max_seconds: float = 900.0,
        posts: bool = True,
    ) -> None:
        self.requests = 0
        self.not_served = 0
        self._records = records
        self._command = [
            sys.executable,
            "-m",
            "lab.sandbox.traffic.load_generator",
            address,
            str(records),
            "--until-stdin-closes",
        ]
        self._command += ["--path", path, "--rate", str(rate), "--connections", str(connections)]
        self._command += ["--seconds", str(max_seconds), *([] if posts else ["--no-posts"])]
        self._process: subprocess.Popen[str] | None = None
        self._follower = threading.Thread(target=self._follow, name="load", daemon=True)

    def __enter__(self) -> "Load":
        self._records.parent.mkdir(parents=True, exist_ok=True)
        # In its own session: on Ctrl-C the caller stops the load.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self._follower.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def ended(self) -> bool:
        """Return whether no load is running."""
        return self._process is None or self._process.poll() is not None

    def stop(self, bad_release: str | None = None) -> Traffic:
        """End the load and return all its requests.

        Raises RuntimeError when it had ended before, or its records do not match its counts.
        """
        if self.ended:
            raise RuntimeError("the load ended before it was stopped; see its standard error")
        self._end()
        traffic = Traffic.read(self._records, bad_release)
        if len(traffic) != self.requests:
            raise RuntimeError(f"{self._records} has {len(traffic)} of {self.requests} requests")
        return traffic

    def _follow(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            counts = json.loads(line)
            self.requests, self.not_served = counts["requests"], counts["not_served"]

    def _end(self) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(TIMEOUT_SECONDS + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._follower.join()
        if process.stdout is not None:
            process.stdout.close()
        self._process = None


async def _run(arguments: argparse.Namespace) -> None:
    generator = Generator(
        arguments.address,
        arguments.path,
        arguments.rate,
        arguments.connections,
        arguments.records,
        posts=arguments.posts,
    )
    if arguments.until_stdin_closes:
        loop = asyncio.get_running_loop()

        def read() -> None:
            if not os.read(0, 4096):
                loop.remove_reader(0)
                generator.stop()

        loop.add_reader(0, read)
    await generator.run(arguments.seconds)


def main() -> None:
    """Run the load that the command line describes."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.sandbox.traffic.load_generator", description="Keep-alive load on one address."
    )
    parser.add_argument("address", help="host:port, the host as an IPv4 address")
    parser.add_argument("records", type=Path, help="the file to write, one line per request")
    parser.add_argument("--path", default="/")
    parser.add_argument(
        "--rate", type=float, default=300.0, help="requests a second on all connections together"
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to run")
    parser.add_argument(
        "--no-posts", dest="posts", action="store_false", help="send only requests that a proxy may retry"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input is closed")
    try:
        asyncio.run(_run(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
