"""HTTPS on a host: certificates, the headers that the app gets, and no lost request. In this order."""

import contextlib
import http.client
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from lab.samples.build import build_spring
from lab.sandbox.hosts.machine import Rack
from tests.certificates import issue
from tests.host.host_fixture import JARS, SCRIPT, HostFixture, Release, host_on

NAME = "shop.example.com"
LOOPBACK = """
import ssl, urllib.request
trust = ssl._create_unverified_context()
for scheme in ("http", "https"):
    print(urllib.request.urlopen(f"{scheme}://127.0.0.1/.twinslot/live", context=trust).read().decode())
"""
CONF = "/etc/nginx/conf.d/twinslot-shop.conf"
CHALLENGE = "/.well-known/acme-challenge/token-1"
MAX_BEGUN = 2
TLS = {"tls_certificate": "/etc/tls/shop.pem", "tls_key": "/etc/tls/shop.key"}


class User(http.client.HTTPConnection):
    """Somebody who trusts the host's certificate and reaches it by its name, over one connection; over the
    next one only where an answer said that it is the last."""

    def __init__(
        self, host: HostFixture, certificate: bytes, protocols: tuple[str, ...] = ("http/1.1",)
    ) -> None:
        super().__init__(NAME)
        self.address = host.machine.address
        self.trust = ssl.create_default_context(cadata=certificate.decode())
        self.trust.set_alpn_protocols(list(protocols))
        self.connect()

    def connect(self) -> None:
        plain = socket.create_connection((self.address, 443), timeout=10)
        self.sock = self.trust.wrap_socket(plain, server_hostname=NAME)

    def get(self, path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers, body; it raises what a connection that was lost raises."""
        self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = self.getresponse()
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read().decode()


@pytest.fixture(scope="module")
def certificate() -> tuple[bytes, bytes]:
    return issue(NAME)


@pytest.fixture(scope="module")
def host(rack: Rack, certificate: tuple[bytes, bytes]) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaac2") as host_fixture:
        host_fixture.machine.write(TLS["tls_certificate"], certificate[0])
        host_fixture.machine.write(TLS["tls_key"], certificate[1], 0o600)
        yield host_fixture


@pytest.fixture
def user(host: HostFixture, certificate: tuple[bytes, bytes]) -> Iterator[User]:
    with contextlib.closing(User(host, certificate[0])) as made:
        yield made


def listens(host: HostFixture, port: int) -> bool:
    with socket.socket() as user:
        return user.connect_ex((host.machine.address, port)) == 0


def test_a_challenge_is_answered_before_there_is_a_certificate(host: HostFixture, v1: Release) -> None:
    host.make_live(v1)
    assert not listens(host, 443)
    assert host.get(CHALLENGE)[1]["x-release"] == "1.0"  # where certbot put nothing, the app is asked
    host.machine.write(f"/var/lib/twinslot/shop/acme{CHALLENGE}", "token-1.proof")
    assert host.get(CHALLENGE)[::2] == (200, "token-1.proof")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {**TLS, "tls_certificate": "/etc/tls/none.pem"},
            "is /etc/tls/none.pem: No such file",
        ),
        ({**TLS, "tls_key": "/etc/tls"}, "tls_key is /etc/tls, which is no file in PEM"),
        ({**TLS, "tls_key": "/etc/tls/other.key"}, "tls_key /etc/tls/other.key is not the key of"),
        (
            {**TLS, "tls_certificate": "/etc/hostname"},
            "/etc/hostname with tls_key /etc/tls/shop.key",
        ),
        (
            {"tls_key": "/etc/tls/shop.key"},
            "settings: tls_key is set and tls_certificate is not; set both or neither",
        ),
        (
            {**TLS, "tls_key": "/etc/tls/$(id)"},
            'settings: tls_key is "/etc/tls/$(id)"; it must be null or an absolute path',
        ),
    ],
)
def test_a_certificate_that_cannot_be_used_leaves_everything_as_it_is(
    host: HostFixture, v2: Release, settings: dict[str, str], reason: str
) -> None:
    host.machine.write("/etc/tls/other.key", issue(NAME)[1], 0o600)
    look = f"stat --format='%y %i' {CONF}; pgrep -P $(cat /run/nginx.pid)"
    before = host.shell(look)
    report = host.command("stage", deployment=host.deployment(), release=v2, settings=settings)
    assert not report["ok"]
    assert reason in report["reason"]
    assert host.shell(look) == before
    assert (host.release(), listens(host, 443)) == ("1.0", False)


def test_a_port_that_somebody_has_is_not_fought_for(host: HostFixture) -> None:
    host.shell("systemd-run --quiet --unit=squatter python3 -m http.server 443")
    host.until(lambda: listens(host, 443))
    report = host.command("provision", settings=TLS)
    host.shell("systemctl stop squatter")
    assert not report["ok"]
    assert "port 443, which nginx needs for TLS, is taken by process" in report["reason"]
    assert host.release() == "1.0"


def test_a_configuration_that_nginx_does_not_come_to_run_goes_again(host: HostFixture) -> None:
    before = host.machine.read(CONF)
    host.shell("systemctl stop nginx; systemd-run --quiet --unit=squatter python3 -m http.server 80")
    host.until(lambda: listens(host, 80))
    report = host.command("provision", settings={"server_name": NAME})
    host.shell("systemctl stop squatter")
    assert not report["ok"]
    assert "nginx does not answer on port 80" in report["reason"]
    assert host.machine.read(CONF) == before
    host.go("provision")
    assert host.release() == "1.0"


def test_with_a_certificate_users_get_https_and_are_sent_there(
    host: HostFixture, certificate: tuple[bytes, bytes]
) -> None:
    host.go("provision", settings=TLS)
    with contextlib.closing(User(host, certificate[0])) as user:
        assert user.get()[1]["x-release"] == "1.0"
    with contextlib.closing(User(host, certificate[0], ("h2", "http/1.1"))) as user:
        assert user.sock.selected_alpn_protocol() == "h2"
    host.until_reloaded()
    assert host.get()[0] == 308
    assert host.get("/a%20b?c=%2F", Host=NAME)[1]["location"] == f"https://{NAME}/a%20b?c=%2F"
    assert host.get(CHALLENGE)[::2] == (200, "token-1.proof")
    assert host.get("/.well-known/acme-challenge/none")[0] == 308
    assert host.get("/.twinslot/live")[0] == 404
    assert " 308 " in host.shell("grep ' - 308 ' /var/log/nginx/twinslot-shop.log")
    assert host.shell(f"python3 -c '{LOOPBACK}'").count("green shop_green ") == 2


def told(answer: tuple[int, dict[str, str], str]) -> dict[str, str]:
    """Return the headers about the client that the app received."""
    headers = {name.lower(): value for name, value in json.loads(answer[2])["headers"].items()}
    wanted = ("host", "forwarded", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto")
    return {name: value for name, value in headers.items() if name in wanted}


def test_the_app_is_told_how_users_came_and_not_what_they_claim(host: HostFixture, user: User) -> None:
    own = {"host": NAME, "x-forwarded-host": NAME, "x-forwarded-port": "443", "x-forwarded-proto": "https"}
    claims = {"X_Forwarded_Host": "evil.example", "Forwarded": "host=evil.example;proto=http"}
    assert told(user.get("/echo-headers", **claims)) == own
    assert told(user.get("/echo-headers", X_Forwarded_Proto="http", X_Forwarded_Port="80")) == own
    # A load balancer that ended TLS: no redirect, or users would be sent round for ever.
    behind = {"Host": NAME, "X_Forwarded_Proto": "https"}
    assert told(host.get("/echo-headers", **behind)) == own
    assert told(host.get("/echo-headers", **behind, X_Forwarded_Port="8443"))["x-forwarded-port"] == "8443"
    assert told(host.get("/echo-headers", **behind, X_Forwarded_Port="80;x"))["x-forwarded-port"] == "443"


def test_flips_stagings_and_a_kill_lose_no_request_over_https(
    host: HostFixture, certificate: tuple[bytes, bytes], v1: Release, v2: Release
) -> None:
    ended, lost, served = threading.Event(), list[object](), set[str]()

    def ask() -> None:
        try:
            with contextlib.closing(User(host, certificate[0])) as user:
                while not ended.is_set():
                    status, headers, _ = user.get()
                    served.add(headers.get("x-release", ""))
                    lost.extend([status] if status != 200 else [])
        except Exception as error:
            lost.append(error)

    users = [threading.Thread(target=ask) for _ in range(8)]
    for thread in users:
        thread.start()
    try:
        for release, _ in zip(itertools.cycle((v2, v1)), range(4), strict=False):
            host.deploy(release, settings=TLS)
        host.until(lambda: "1.0" in served)
        live = host.go("report", fence=0)
        assert lost == []
        host.shell(f"kill -9 {live['slots'][live['live']]['pid']}")
        host.until(lambda: host.runs(live["live"]))
    finally:
        ended.set()
        for thread in users:
            thread.join()
    # No other process can finish an answer that had begun when its process died.
    assert len(lost) <= MAX_BEGUN, lost
    assert not [each for each in lost if isinstance(each, int)], "a status is an answer"
    assert served == {"1.0", "2.0"}


def test_a_remedy_without_settings_keeps_those_that_users_are_served_with(
    host: HostFixture, certificate: tuple[bytes, bytes]
) -> None:
    environment = host.environment("provision")
    del environment["SSM_settings"]
    host.shell("systemctl disable --quiet nginx")
    before = host.workers()
    done = host.machine.run(["sh", "-c", SCRIPT], env=environment, timeout_seconds=60)
    assert done.returncode == 0, done.stdout
    assert host.workers() == before
    assert host.succeeds("systemctl", "is-enabled", "nginx")
    with contextlib.closing(User(host, certificate[0])) as user:
        assert user.get()[0] == 200
    assert host.get(Host=NAME)[0] == 308


@pytest.mark.parametrize("strategy", ["framework", "native"])
def test_spring_sends_users_to_addresses_that_are_theirs(
    host: HostFixture, certificate: tuple[bytes, bytes], strategy: str
) -> None:
    release = host.bucket.put(build_spring(JARS, "1.0.0"))
    options = {"java_options": [f"-Dserver.forward-headers-strategy={strategy}", "-XX:TieredStopAtLevel=1"]}
    host.deploy(release, settings={**TLS, **options, "start_seconds": 60})
    with contextlib.closing(User(host, certificate[0])) as user:
        direct = user.get("/login")
    host.go("provision", settings=options)
    host.until(lambda: not listens(host, 443))
    behind = {"Host": NAME, "X_Forwarded_Proto": "https", "X_Forwarded_Port": "443"}
    for status, headers, _ in (direct, host.get("/login", **behind)):
        assert (status, headers["location"]) == (302, f"https://{NAME}/welcome")
        assert headers["x-redirect-uri"] == f"https://{NAME}/login/oauth2/code/shop"
    assert host.get("/login", Host=NAME)[1]["location"] == f"http://{NAME}/welcome"


def test_a_certificate_that_was_renewed_counts_from_the_reload(host: HostFixture) -> None:
    host.go("provision", settings=TLS)
    renewed, key = issue(NAME)
    host.machine.write(TLS["tls_certificate"], renewed)
    host.machine.write(TLS["tls_key"], key, 0o600)
    host.shell("systemctl reload nginx")

    def is_served() -> bool:
        with contextlib.suppress(ssl.SSLCertVerificationError), contextlib.closing(User(host, renewed)):
            return True
        return False

    host.until(is_served)


def test_without_the_settings_it_is_plain_http_again(host: HostFixture, v1: Release) -> None:
    host.make_live(v1)
    host.until(lambda: not listens(host, 443))
    assert host.get()[::2][0] == 200
    assert host.release() == "1.0"
