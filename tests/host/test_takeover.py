"""A service that a script of its own has deployed so far becomes twinslot's, as docs/migrating.md tells it:
nginx passes users to the port in service-url.inc. These tests build on each other, in this order."""

import contextlib
import http.client
import itertools
import json
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import SCRIPT, HostFixture, host_on, jar
from tests.pages import ROOT, Page

NAME = "shop.example.com"
OTHER_NAME = "www.example.com"
SITE = "/etc/nginx/conf.d/shop.conf"
OLD = "0.9.0"
PAGE = Page(ROOT / "docs" / "migrating.md")
TOLD = [command for block in PAGE.blocks for command in block.commands]
CHECKS = PAGE.section("Check first: nothing is changed").blocks[0].commands
LOOK = "find /etc/nginx /etc/systemd/system /etc/passwd -printf '%p %C@ %i\\n'"
"""Prints each file that a takeover would change, with the time and inode of its last change."""

OLD_SITE = """
server {
    listen 80%(flag)s;
    server_name %(names)s;
    include /etc/nginx/conf.d/service-url.inc;
    location / {
        proxy_pass $service_url;
    }
}
"""
OLD_UNIT = """
[Service]
Environment=SERVER_PORT=%i
ExecStart=/usr/bin/env java -jar /home/ec2-user/app/app.jar
SuccessExitStatus=143
"""


class Users:
    """They ask for the service by this name, one connection a request, as long as the context lasts.
    `answers` are (status, the release that answered)."""

    def __init__(self, host: HostFixture, name: str) -> None:
        self.answers: list[tuple[int, str]] = []
        self._host, self._name = host, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._visit)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _visit(self) -> None:
        while not self._stop.wait(0.01):
            self.answers.append(seen(self._host, self._name))


def seen(host: HostFixture, name: str) -> tuple[int, str]:
    """What a user gets who asks for the service by this name; the status 0 when there is no answer."""
    try:
        status, headers, _ = host.get(Host=name, Connection="close")
    except (OSError, http.client.HTTPException):
        return 0, ""
    return status, headers.get("x-release", "")


def in_turn(answers: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The answers without those that repeat the one before."""
    return [after for before, after in itertools.pairwise([(0, "none"), *answers]) if before != after]


def type_as_told(host: HostFixture, command: str) -> str:
    """What a command of the page says on the host; it has to succeed."""
    assert command in TOLD, f"docs/migrating.md does not say: {command}"
    return host.shell(command)


def listeners(host: HostFixture) -> str:
    return type_as_told(host, "ss -ltnp '( sport = :8081 or sport = :8082 )'")


def examine(host: HostFixture) -> dict[str, dict[str, Any]]:
    """doctor's checks by their names."""
    asked = host.machine.run(["sh", "-c", SCRIPT], env=host.environment("doctor"), timeout_seconds=60)
    return {each["name"]: each for each in json.loads(asked.stdout)["checks"]}


@contextlib.contextmanager
def reload(host: HostFixture) -> Iterator[None]:
    """Waits until the reload of nginx that happens within is over."""
    before = host.workers()
    yield
    host.until_reloaded(before)


def move_old(host: HostFixture, before: int, after: int) -> None:
    """Has the old release run on another port, and no longer on the one before."""
    host.shell(f"systemctl start old@{after}")
    host.until(lambda: host.succeeds("curl", "-sf", f"http://127.0.0.1:{after}/"))
    host.machine.write("/etc/nginx/conf.d/service-url.inc", f"set $service_url http://127.0.0.1:{after};\n")
    with reload(host):
        host.shell("nginx -s reload")
    host.shell(f"systemctl stop old@{before}")


def write_old_site(host: HostFixture, names: str, flag: str = "") -> None:
    host.machine.write(SITE, OLD_SITE % {"names": names, "flag": flag})
    with reload(host):
        host.shell("nginx -t && nginx -s reload")


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    """A host as the script leaves it: its release runs on port 8081."""
    with host_on(rack, "i-0aaaaaaaaaaaaaaa7") as host:
        host.machine.write("/home/ec2-user/app/app.jar", jar(OLD).read_bytes())
        host.machine.write("/etc/systemd/system/old@.service", OLD_UNIT)
        host.machine.write("/etc/nginx/conf.d/service-url.inc", "set $service_url http://127.0.0.1:8081;\n")
        host.shell("apt-get -qq -y install --no-install-recommends nginx >/dev/null 2>&1")
        host.shell("rm -f /etc/nginx/sites-enabled/default; systemctl start nginx old@8081")
        write_old_site(host, NAME)
        host.until(lambda: seen(host, NAME) == (200, OLD))
        yield host


def test_the_check_before_a_takeover_shows_the_old_process_and_changes_nothing(host: HostFixture) -> None:
    before = host.shell(LOOK)
    ports, sites, units, memory = (type_as_told(host, command) for command in CHECKS)

    assert host.shell(LOOK) == before
    assert ":8081" in ports
    assert SITE in sites
    assert "$service_url" in sites
    assert "old@8081.service" in units
    assert "MemAvailable" in memory


@pytest.mark.parametrize(
    ("port", "why", "check"),
    [
        (8082, "port 8082 of the slot green is taken by process", "slot ports"),
        (9000, f"users of {SITE} would be cut off", "users"),
    ],
)
def test_a_host_whose_users_would_be_cut_off_is_left_as_it_is(
    host: HostFixture, port: int, why: str, check: str
) -> None:
    release = host.bucket.put(jar("1.0.0"))
    write_old_site(host, "_")
    move_old(host, 8081, port)
    before = host.shell(LOOK)

    with Users(host, OTHER_NAME) as users:
        reports = [
            host.command("provision"),
            host.command("stage", deployment=host.deployment(), release=release),
        ]
        told = examine(host)

    assert host.shell(LOOK) == before
    move_old(host, port, 8081)
    write_old_site(host, NAME)
    moved = examine(host)
    for report in reports:
        assert not report["ok"]
        assert why in report["reason"]
        assert "nothing was changed" in report["reason"]
        assert "docs/migrating.md" in report["reason"]
    assert told[check]["ok"] is False
    assert "docs/migrating.md" in told[check]["remedy"]
    assert moved["slot ports"]["ok"]
    assert moved["users"]["ok"]
    assert in_turn(users.answers) == [(200, OLD)]


def test_a_site_that_was_left_behind_by_a_process_that_is_gone_cuts_nobody_off(host: HostFixture) -> None:
    write_old_site(host, "_")
    host.shell("systemctl stop old@8081")
    told = examine(host)["users"]
    host.shell("systemctl start old@8081")
    host.until(lambda: seen(host, NAME) == (200, OLD))
    write_old_site(host, NAME)

    assert told["ok"], told


def test_a_site_that_claims_the_port_as_its_own_is_left_to_its_users(host: HostFixture) -> None:
    write_old_site(host, NAME, " default_server")

    with Users(host, NAME) as users:
        report = host.command("provision")
        type_as_told(host, "sed -i.before 's/ default_server//' /etc/nginx/conf.d/shop.conf")
        type_as_told(host, "nginx -t && nginx -s reload")
        host.go("provision")

    assert not report["ok"]
    assert "a duplicate default server for 0.0.0.0:80" in report["reason"]
    assert in_turn(users.answers) == [(200, OLD)]


def test_a_release_does_not_push_the_old_one_from_the_port_of_the_first_slot(host: HostFixture) -> None:
    host.shell("systemctl start old@8082")
    host.until(lambda: ":8082" in listeners(host))
    assert type_as_told(host, "cat /etc/nginx/conf.d/service-url.inc").endswith(":8081;\n")

    report = host.command("stage", deployment=host.deployment(), release=host.bucket.put(jar("1.0.0")))

    host.shell("systemctl stop old@8082")
    assert not report["ok"]
    assert "port 8082 of the slot green is taken by process" in report["reason"]
    assert seen(host, NAME) == seen(host, OTHER_NAME) == (200, OLD)


def test_users_go_from_the_old_release_to_the_new_one_and_none_is_lost(host: HostFixture) -> None:
    with Users(host, NAME) as named, Users(host, OTHER_NAME) as others:
        host.deploy(host.bucket.put(jar("1.0.0")))
        assert seen(host, NAME) == (200, OLD), "the old site passes on whom it names"
        assert "UP" in type_as_told(host, "curl -s http://127.0.0.1:8082/actuator/health")
        type_as_told(host, "mv /etc/nginx/conf.d/shop.conf /etc/nginx/conf.d/shop.conf.before")
        before_reload = len(named.answers)
        with reload(host):
            type_as_told(host, "nginx -t && nginx -s reload")
        after_reload = len(named.answers) + 1  # one may be under way
        host.until(lambda: len(named.answers) > after_reload)

    assert in_turn(others.answers) == [(200, OLD), (200, "1.0.0")]
    assert set(named.answers[:before_reload]) == {(200, OLD)}
    assert set(named.answers) == {(200, OLD), (200, "1.0.0")}
    assert set(named.answers[after_reload:]) == {(200, "1.0.0")}


def test_users_can_be_sent_back_to_the_old_release_by_hand(host: HostFixture) -> None:
    with Users(host, NAME) as users:
        host.until(lambda: bool(users.answers))
        type_as_told(host, "rm /var/lib/twinslot/shop/live/green")
        host.until(lambda: users.answers[-1] == (200, OLD))
        host.shell("touch /var/lib/twinslot/shop/live/green")
        host.until(lambda: users.answers[-1] == (200, "1.0.0"))

    assert in_turn(users.answers) == [(200, "1.0.0"), (200, OLD), (200, "1.0.0")]


def test_what_was_there_before_can_be_put_back(host: HostFixture) -> None:
    type_as_told(host, "mv /etc/nginx/conf.d/shop.conf.before /etc/nginx/conf.d/shop.conf")
    type_as_told(host, "mv /etc/nginx/conf.d/twinslot-shop.conf /etc/nginx/conf.d/twinslot-shop.conf.before")
    with reload(host):
        type_as_told(host, "nginx -t && nginx -s reload")

    assert seen(host, NAME) == seen(host, OTHER_NAME) == (200, OLD)
    host.shell(f"rm {SITE} /var/lib/twinslot/shop/live/green")
    host.go("provision")  # the process on 8082 is its own
    host.shell("touch /var/lib/twinslot/shop/live/green")
    host.until(lambda: seen(host, NAME) == (200, "1.0.0"))


def test_the_next_release_waits_until_the_old_one_has_left_the_port(host: HostFixture) -> None:
    second = host.bucket.put(jar("1.1.0"))
    report = host.command("stage", deployment=host.deployment(), release=second)
    assert "port 8081 of the slot blue is taken by process" in report["reason"]

    type_as_told(host, "kill $(ss -ltnpH 'sport = :8081' | grep -o 'pid=[0-9]*' | cut -d= -f2)")
    host.until(lambda: ":8081" not in listeners(host))
    with Users(host, NAME) as users:
        host.deploy(second)

    assert in_turn(users.answers) == [(200, "1.0.0"), (200, "1.1.0")]


def test_a_host_that_is_ours_is_never_refused_whatever_else_is_there(host: HostFixture) -> None:
    write_old_site(host, OTHER_NAME)
    host.go("provision")

    host.machine.reboot()
    host.until(lambda: seen(host, NAME) == (200, "1.1.0"), 60)

    host.go("provision")
    host.deploy(host.bucket.put(jar("1.2.0")))
    assert seen(host, NAME) == (200, "1.2.0")
    assert examine(host)["users"]["ok"]
