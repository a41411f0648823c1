"""A machine that is prepared before it has an app, and the Java that each release asks for, side by side.

These tests build on each other, in this order. The machine's own Java is the one of this system; another one
lies where Corretto would put it: its launcher starts the real one.
"""

import errno
import json
import re
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import JARS, HostFixture, Release, host_on, jar

HOMES = "/usr/lib/jvm"
CORRETTO = f"{HOMES}/java-21-amazon-corretto.x86_64"
WRITTEN = "/etc/nginx /etc/systemd /opt /var/lib/twinslot /etc/passwd"


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    """Whatever else this system has, the machine has Java 17 alone."""
    with host_on(rack, "i-0aaaaaaaaaaaaaac1") as host_fixture:
        host_fixture.shell(f"find {HOMES} -mindepth 1 -maxdepth 1 ! -name '*17*' -exec rm -r {{}} +")
        yield host_fixture


def built_for(version: int, label: str) -> Path:
    """The sample application with what Maven and Gradle would say of the JDK in its manifest."""
    path = JARS / f"shop-{label}.built.jar"
    with zipfile.ZipFile(jar(label)) as plain, zipfile.ZipFile(path, "w") as built:
        for entry in plain.infolist():
            content = plain.read(entry)
            if entry.filename == "META-INF/MANIFEST.MF":
                content = content.rstrip() + f"\r\nBuild-Jdk-Spec: {version}\r\n\r\n".encode()
            built.writestr(entry, content)
    return path


def home_of(host: HostFixture, slot: str) -> str:
    """Where the Java lies that a slot's process was started with."""
    return host.shell(f"readlink -f /opt/twinslot/shop/slots/{slot}.jdk").strip()


def runs_by(host: HostFixture, slot: str) -> str:
    """What the environment of a slot's process says of the launcher that started it."""
    pid = host.shell(f"systemctl show --property=MainPID --value twinslot-shop@{slot}").strip()
    return host.shell(f"tr '\\0' '\\n' < /proc/{pid}/environ | sed -n 's/^STARTED_BY=//p'").strip()


def refuses(host: HostFixture) -> bool:
    """Whether nothing listens on port 80."""
    with socket.socket() as user:
        return user.connect_ex((host.machine.address, 80)) == errno.ECONNREFUSED


def test_a_prepared_machine_has_nginx_and_java_and_answers_nobody(host: HostFixture) -> None:
    report = host.go("provision", app="", settings={})
    assert (report["app"], report["live"]) == ("", None)
    assert host.succeeds("which", "nginx", "java")
    assert host.shell("find /opt/* /etc/nginx/conf.d/* /etc/nginx/sites-enabled/* 2>/dev/null || true") == ""
    assert "twinslot" not in host.shell("ls /etc/systemd/system")
    host.until(lambda: refuses(host))


def test_preparing_a_machine_that_has_its_app_changes_nothing(host: HostFixture) -> None:
    host.go("provision")
    host.until_reloaded()
    look = f"find {WRITTEN} -printf '%p %C@ %i\\n'"
    before = host.shell(look), host.workers()
    host.go("provision", app="", settings={})
    assert (host.shell(look), host.workers()) == before
    assert host.get()[0] == 502


@pytest.fixture(scope="module")
def seventeen(host: HostFixture) -> Release:
    return host.bucket.put(built_for(17, "7.1"))


@pytest.fixture(scope="module")
def twenty_one(host: HostFixture) -> Release:
    return host.bucket.put(built_for(18, "7.2"))


def test_a_jar_for_the_java_that_is_there_runs_with_it(host: HostFixture, seventeen: Release) -> None:
    host.make_live(seventeen)
    assert host.release() == "7.1"
    assert home_of(host, "green").startswith(f"{HOMES}/java-17-openjdk")


def test_a_java_that_cannot_be_installed_refuses_the_release_and_nothing_else_changes(
    host: HostFixture, seventeen: Release, twenty_one: Release
) -> None:
    host.make_live(seventeen)
    paths = "/etc/nginx /etc/systemd /opt/twinslot/shop/slots /run/twinslot/shop/*/"
    look = f"cd /var/lib/twinslot/shop; find live *e*n.json {paths} -printf '%p %C@ %i\\n'"
    before = host.shell(look)
    report = host.command("stage", deployment=host.deployment(), release=twenty_one)
    assert not report["ok"]
    assert re.fullmatch(
        r"Java 21 missing, and `apt-get install openjdk-21-jre-headless` failed with 100: E: [^;]+;"
        r" put a JDK 21 into /usr/lib/jvm, or set `java` to 17, which is here",
        report["reason"],
    )
    assert host.shell(look) == before
    assert host.release() == "7.1"


def test_the_setting_runs_a_jar_by_another_version_than_it_was_built_for(
    host: HostFixture, twenty_one: Release
) -> None:
    host.make_live(twenty_one, settings={"java": 17})
    assert host.release() == "7.2"
    assert home_of(host, host.go("report", fence=0)["live"]).startswith(f"{HOMES}/java-17-openjdk")


def test_two_slots_run_two_versions_and_each_keeps_its_own(
    host: HostFixture, seventeen: Release, twenty_one: Release
) -> None:
    host.make_live(seventeen)
    old = host.go("report", fence=0)["live"]
    new = {"blue": "green", "green": "blue"}[old]
    launcher = f'#!/bin/sh\nSTARTED_BY=corretto-21 exec {home_of(host, old)}/bin/java "$@"\n'
    host.machine.write(f"{CORRETTO}/release", 'IMPLEMENTOR="Amazon.com Inc."\nJAVA_VERSION="21.0.5"\n')
    host.machine.write(f"{CORRETTO}/bin/java", launcher, 0o755)
    again = host.bucket.put(built_for(18, "7.3"))
    report = host.go("stage", deployment=host.deployment(), release=again)
    assert (report["slots"][old]["verified"], report["slots"][new]["verified"]) == (True, True)
    assert (runs_by(host, old), runs_by(host, new)) == ("", "corretto-21")
    host.make_live(again)
    assert host.release() == "7.3"
    for slot, by in ((old, ""), (new, "corretto-21")):
        host.shell(f"systemctl restart twinslot-shop@{slot}")
        port = {"blue": 8081, "green": 8082}[slot]
        host.until(lambda port=port: host.succeeds("curl", "-sf", f"http://127.0.0.1:{port}/"))  # type: ignore[misc]
        assert runs_by(host, slot) == by


def test_a_host_of_before_that_had_one_java_for_both_slots_starts_its_live_one_again(
    host: HostFixture,
) -> None:
    live = host.go("report", fence=0)["live"]
    content = f"/var/lib/twinslot/shop/{live}.json"
    noted = json.loads(host.machine.read(content))
    for part, name in (
        (noted, "java"),
        *((noted["settings"], n) for n in ("java", "tls_certificate", "tls_key")),
    ):
        del part[name]
    host.machine.write(content, json.dumps(noted), 0o600)
    host.shell("rm /opt/twinslot/shop/slots/*.jdk")
    host.go("provision")
    host.shell(f"systemctl restart twinslot-shop@{live}")
    host.until(lambda: host.release() == "7.3")
    assert runs_by(host, live) == ""
