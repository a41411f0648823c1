"""The sample application keeps Spring's conventions, and each of its faults happens when it is asked for."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.samples.build import build
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("java", "javac")

DEADLINE_SECONDS = 20.0
PASSED_ON = {"X-Forwarded-For": "198.51.100.7"}


@pytest.fixture(scope="module")
def jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jars")


class Shop:
    """A running sample application."""

    def __init__(self, jar: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        # The cheapest JVM: this is about behaviour.
        command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-jar", str(jar)]
        self.process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "SERVER_PORT": str(self.port), **environment},
            stderr=subprocess.PIPE,
            text=True,
        )

    def get(
        self, path: str, headers: dict[str, str] | None = None, port: int | None = None
    ) -> tuple[int, dict[str, object], str | None]:
        """The answer's status, its JSON and its X-Release."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read()), response.headers["X-Release"]
        finally:
            connection.close()

    def wait_until_open(self, port: int | None = None) -> float:
        """Seconds until its port took a connection."""
        start = time.monotonic()
        while time.monotonic() - start < DEADLINE_SECONDS:
            try:
                socket.create_connection(("127.0.0.1", port or self.port), 1).close()
                return time.monotonic() - start
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise AssertionError("the port never opened")

    def log(self) -> str:
        """All that it wrote; it must have ended."""
        return self.process.communicate(timeout=DEADLINE_SECONDS)[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def started(jars: Path, faults: str = "", environment: dict[str, str] | None = None) -> Iterator[Shop]:
    shop = Shop(build(jars, "1.4.2", faults), environment or {})
    try:
        yield shop
    finally:
        shop.process.kill()
        shop.process.communicate()


@contextmanager
def running(jars: Path, faults: str = "", environment: dict[str, str] | None = None) -> Iterator[Shop]:
    with started(jars, faults, environment) as shop:
        shop.wait_until_open()
        yield shop


@pytest.fixture(scope="module")
def healthy(jars: Path) -> Iterator[Shop]:
    with running(jars) as shop:
        yield shop


@pytest.mark.parametrize(
    "path", ["/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness"]
)
def test_health_is_up(healthy: Shop, path: str) -> None:
    assert healthy.get(path) == (200, {"status": "UP"}, "1.4.2")


def test_an_answer_names_its_release(healthy: Shop) -> None:
    assert healthy.get("/") == (200, {"release": "1.4.2", "received": 0}, "1.4.2")


def test_headers_are_returned_as_json(healthy: Shop) -> None:
    status, body, _ = healthy.get("/echo-headers", {"X-Odd": 'a\x07"b\\c'})
    headers = body["headers"]
    assert isinstance(headers, dict)
    assert (status, headers["X-odd"]) == (200, 'a\x07"b\\c')


def test_slow_answers_after_as_long_as_it_was_asked_to(healthy: Shop) -> None:
    start = time.monotonic()
    assert healthy.get("/slow?ms=150")[:2] == (200, {"release": "1.4.2", "slept": 150})
    assert time.monotonic() - start >= 0.15


@pytest.mark.parametrize("query", ["", "?ms=", "?ms=-1", "?ms=30001", "?ms=99999999999999999999", "?x=1"])
def test_slow_is_bounded(healthy: Shop, query: str) -> None:
    assert healthy.get("/slow" + query)[0] == 400


def test_connections_are_kept_alive(healthy: Shop) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", healthy.port, timeout=DEADLINE_SECONDS)
    connection.connect()
    opened = connection.sock
    for body in [None, b"x" * 100_000] * 10:
        connection.request("POST" if body else "GET", "/", body=body)
        assert json.loads(connection.getresponse().read())["received"] == len(body or b"")
    assert connection.sock is opened
    connection.close()


def test_sigterm_lets_what_runs_finish_and_ends_with_143(jars: Path) -> None:
    with running(jars) as shop, socket.create_connection(("127.0.0.1", shop.port), 5) as connection:
        request = (
            b"POST /slow?ms=600 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        )
        connection.sendall(request)
        # "100 Continue" is the proof that the server has taken the request in.
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x")
        shop.process.send_signal(signal.SIGTERM)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert shop.process.wait(DEADLINE_SECONDS) == 143
        with pytest.raises(ConnectionRefusedError):
            shop.get("/")


def test_it_does_not_wait_out_its_drain_of_30_s_when_nothing_runs(jars: Path) -> None:
    with running(jars) as shop:
        shop.get("/")
        shop.process.send_signal(signal.SIGTERM)
        assert shop.process.wait(DEADLINE_SECONDS) == 143


def test_health_moves_to_the_management_port_where_one_is_set(jars: Path) -> None:
    management = free_port()
    with running(jars, environment={"MANAGEMENT_SERVER_PORT": str(management)}) as shop:
        shop.wait_until_open(management)
        assert shop.get("/actuator/health", port=management)[:2] == (200, {"status": "UP"})
        assert "status" not in shop.get("/actuator/health")[1]


def test_slow_start_opens_the_port_late(jars: Path) -> None:
    with started(jars, "slow-start=1") as shop:
        assert shop.wait_until_open() >= 1


def test_never_healthy_answers_503_and_serves_all_else(jars: Path) -> None:
    with running(jars, "never-healthy") as shop:
        assert shop.get("/actuator/health")[:2] == (503, {"status": "DOWN"})
        assert shop.get("/")[0] == 200


def test_dies_at_start_ends_with_1_and_says_why(jars: Path) -> None:
    with started(jars, "dies-at-start") as shop:
        assert "fault dies-at-start" in shop.log()
        assert shop.process.returncode == 1


def test_dies_after_a_while(jars: Path) -> None:
    with running(jars, "dies-after=2") as shop:
        assert shop.get("/actuator/health")[0] == 200
        assert shop.process.wait(DEADLINE_SECONDS) == 1


def test_errors_after_a_while_leave_health_up(jars: Path) -> None:
    with running(jars, "errors-after=0") as shop:
        assert shop.get("/")[::2] == (500, "1.4.2")
        assert shop.get("/actuator/health")[:2] == (200, {"status": "UP"})


def test_a_fault_can_wait_for_the_release_to_go_live(jars: Path) -> None:
    with running(jars, "errors-after=live+0.3") as shop:
        time.sleep(0.4)
        assert shop.get("/actuator/health", PASSED_ON)[0] == 200
        assert shop.get("/")[0] == 200
        assert shop.get("/", PASSED_ON)[0] == 200
        wait_until(lambda: shop.get("/", PASSED_ON)[0] == 500)


def test_dying_can_wait_for_the_release_to_go_live(jars: Path) -> None:
    with running(jars, "dies-after=live+0.3") as shop:
        with pytest.raises(subprocess.TimeoutExpired):
            shop.process.wait(0.5)
        shop.get("/", PASSED_ON)
        assert shop.process.wait(DEADLINE_SECONDS) == 1


def test_ignores_sigterm_serves_on(jars: Path) -> None:
    with running(jars, "ignores-sigterm") as shop:
        shop.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            shop.process.wait(0.5)
        assert shop.get("/")[0] == 200


def test_other_port_leaves_the_right_one_closed(jars: Path) -> None:
    port = free_port()
    with started(jars, f"other-port={port}") as shop:
        shop.wait_until_open(port)
        with pytest.raises(ConnectionRefusedError):
            shop.get("/")


def test_the_environment_goes_before_the_manifest(jars: Path) -> None:
    with running(jars, "never-healthy", {"SAMPLE_FAULTS": ""}) as shop:
        assert shop.get("/actuator/health")[0] == 200


def test_an_unknown_fault_is_refused_by_name(jars: Path) -> None:
    with started(jars, "sulks") as shop:
        assert "no such fault: sulks" in shop.log()
        assert shop.process.returncode == 1
