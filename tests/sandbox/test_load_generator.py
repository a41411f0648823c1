"""The load counts exactly, also with a server that closes, resets and fails on purpose."""

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.sandbox.traffic.load_generator import Load
from lab.sandbox.traffic.records import Traffic
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Release: 1.0.0\r\n\r\nhi\n"

Transition = Callable[[socket.socket, int], bool]
"""Answers a connection's request, the n-th of the server's, from 0; False ends the connection."""


def answer(data: bytes) -> Transition:
    def turn(connection: socket.socket, number: int) -> bool:
        connection.sendall(data)
        return True

    return turn


class Server:
    """A server of one connection at a time that does with each request what `turn` says."""

    def __init__(self, turn: Transition) -> None:
        self._turn = turn
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.seen: list[bytes] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        pending = b""
        while data := connection.recv(65_536):
            pending += data
            if pending.startswith(b"POST") and not pending.endswith(b"hello"):
                continue
            if b"\r\n\r\n" in pending:
                self.seen.append(pending)
                pending = b""
                if not self._turn(connection, len(self.seen) - 1):
                    return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def serving(turn: Transition) -> Iterator[Server]:
    server = Server(turn)
    try:
        yield server
    finally:
        server.close()


def run(address: str, directory: Path, seconds: float = 1.0, rate: float = 100) -> Traffic:
    """The traffic of a load of one connection on this address."""
    records = directory / "records.tsv"
    command = [
        sys.executable,
        "-m",
        "lab.sandbox.traffic.load_generator",
        address,
        str(records),
        "--connections",
        "1",
    ]
    command += ["--connections", "1", "--seconds", str(seconds), "--rate", str(rate)]
    subprocess.run(command, check=True, timeout=30, cwd=ROOT, stdout=subprocess.DEVNULL)
    return Traffic.read(records)


def test_answers_are_counted_one_for_one_on_one_connection(tmp_path: Path) -> None:
    with serving(answer(OK)) as server:
        traffic = run(server.address, tmp_path)
    assert len(traffic) == len(server.seen) > 10
    assert (server.connections, traffic.lost, traffic.served_by()) == (1, 0, {"1.0.0": len(traffic)})


def test_every_tenth_request_is_a_post(tmp_path: Path) -> None:
    with serving(answer(OK)) as server:
        run(server.address, tmp_path)
    posts = [number for number, request in enumerate(server.seen) if request.startswith(b"POST / ")]
    assert posts
    assert posts == list(range(9, len(server.seen), 10))


def test_the_rate_is_bounded(tmp_path: Path) -> None:
    with serving(answer(OK)) as server:
        traffic = run(server.address, tmp_path, seconds=1, rate=20)
    assert 2 <= len(traffic) <= 21


def test_a_connection_closed_while_idle_is_renewed_and_nothing_is_lost(tmp_path: Path) -> None:
    def turn(connection: socket.socket, number: int) -> bool:
        connection.sendall(OK)
        return number % 5 != 4

    with serving(turn) as server:
        traffic = run(server.address, tmp_path)
    assert (traffic.lost, len(traffic)) == (0, len(server.seen))
    assert server.connections > 1


def test_an_answer_that_says_close_is_the_last_of_its_connection(tmp_path: Path) -> None:
    with serving(answer(OK.replace(b"\r\nX", b"\r\nConnection: close\r\nX"))) as server:
        traffic = run(server.address, tmp_path)
    assert (traffic.lost, server.connections) == (0, len(traffic))


def test_a_request_that_was_sent_and_not_answered_is_lost_and_not_sent_again(tmp_path: Path) -> None:
    def turn(connection: socket.socket, number: int) -> bool:
        if number in (3, 7):
            return False
        connection.sendall(OK)
        return True

    with serving(turn) as server:
        traffic = run(server.address, tmp_path)
    assert len(traffic) == len(server.seen) > 8
    assert [number for number, record in enumerate(traffic.records) if not record.served] == [3, 7]
    assert traffic.reasons() == {"closed without an answer": 2}


def test_a_reset_is_lost(tmp_path: Path) -> None:
    def turn(connection: socket.socket, number: int) -> bool:
        if number == 3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        connection.sendall(OK)
        return True

    with serving(turn) as server:
        traffic = run(server.address, tmp_path)
    assert traffic.reasons() == {"connection reset": 1}


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nh",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi\n\r\n",
    ],
    ids=["head", "body", "chunks"],
)
def test_an_answer_cut_short_is_lost(tmp_path: Path, part: bytes) -> None:
    def turn(connection: socket.socket, number: int) -> bool:
        connection.sendall(part if number == 3 else OK)
        return number != 3

    with serving(turn) as server:
        traffic = run(server.address, tmp_path)
    assert traffic.reasons() == {"closed inside the answer": 1}


def test_chunked_answers_are_read_to_their_end(tmp_path: Path) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi\n\r\na\r\n0123456789\r\n0\r\n\r\n"
    )
    with serving(answer(chunked)) as server:
        traffic = run(server.address, tmp_path)
    assert (traffic.lost, server.connections) == (0, 1)


def test_a_502_of_the_proxy_is_lost_and_the_bad_releases_500_is_not(tmp_path: Path) -> None:
    def turn(connection: socket.socket, number: int) -> bool:
        release = b"X-Release: 4.0.0\r\n"
        pages = {3: (b"502 Bad Gateway", b""), 4: (b"500 Oops", release), 5: (b"500 Oops", release)}
        status, headers = pages.get(number, (b"200 OK", release))
        connection.sendall(b"HTTP/1.1 " + status + b"\r\n" + headers + b"Content-Length: 0\r\n\r\n")
        return True

    with serving(turn) as server:
        records = run(server.address, tmp_path).records
    assert Traffic(records).lost == 3
    forgiving = Traffic(records, bad_release="4.0.0")
    assert (forgiving.lost, forgiving.errors_from_bad_release) == (1, 2)
    assert forgiving.reasons() == {"502 from nginx": 1}


def test_a_refused_connection_is_lost(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    traffic = run(f"127.0.0.1:{port}", tmp_path)
    assert set(traffic.reasons()) == {"connection refused"}
    assert traffic.lost == len(traffic) > 0


def test_an_answer_that_is_not_http_is_lost(tmp_path: Path) -> None:
    with serving(answer(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")) as server:
        traffic = run(server.address, tmp_path)
    assert set(traffic.reasons()) == {"answer is not HTTP"}


def test_a_release_with_hostile_characters_does_not_reach_the_records(tmp_path: Path) -> None:
    with serving(answer(OK.replace(b"1.0.0", b"1.0\t\x1b[2J"))) as server:
        traffic = run(server.address, tmp_path)
    assert traffic.served_by() == {"": len(traffic)}


def test_a_load_runs_until_it_is_stopped_and_finishes_what_is_under_way(tmp_path: Path) -> None:
    release = threading.Event()

    def turn(connection: socket.socket, number: int) -> bool:
        if number == 5:
            release.wait(5)
        connection.sendall(OK)
        return True

    with serving(turn) as server, Load(server.address, tmp_path / "r.tsv", rate=100, connections=1) as load:
        wait_until(lambda: len(server.seen) == 6)
        threading.Timer(0.2, release.set).start()
        traffic = load.stop()
    assert (len(traffic), traffic.lost) == (6, 0)
    assert (load.requests, load.not_served) == (6, 0)


def test_a_load_that_ended_by_itself_is_an_error(tmp_path: Path) -> None:
    with serving(answer(OK)) as server, Load(server.address, tmp_path / "r.tsv", max_seconds=0.1) as load:
        wait_until(lambda: load.ended)
        with pytest.raises(RuntimeError, match="ended before"):
            load.stop()


def test_changed_records_are_an_error(tmp_path: Path) -> None:
    records = tmp_path / "r.tsv"
    with serving(answer(OK)) as server, Load(server.address, records, rate=100, connections=1) as load:
        wait_until(lambda: load.requests >= 3)
        records.unlink()
        records.touch()
        with pytest.raises(RuntimeError, match="has 0 of"):
            load.stop()
