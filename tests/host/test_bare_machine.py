"""A machine that has never had nginx or Java: what Amazon's own images are."""

import re
from collections.abc import Iterator

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import HostFixture, host_on

PACKAGES = (
    "nginx",
    "openjdk",
    "default-jre",
    "default-jdk",
    "temurin",
    "java-common",
    "ca-certificates-java",
)
"""How the names begin of what brings them."""

pytestmark = pytest.mark.timeout(300)
"""Boot a bare machine; the first test waits until its image is built."""


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaab0", java=False) as host_fixture:
        yield host_fixture


def is_bare(host: HostFixture) -> bool:
    """No nginx, no Java, no link that led there; and dpkg knows of none."""
    known = host.shell("dpkg-query --show --showformat='${Package}\\n'").split()
    links = host.shell(
        "find /usr/bin /etc/alternatives -lname '/usr/lib/jvm/*' -o -lname /etc/alternatives/java"
    )
    return (
        not any(
            host.succeeds("sh", "-c", f"command -v {program}") for program in ("nginx", "java", "keytool")
        )
        and not any(host.succeeds("test", "-e", place) for place in ("/usr/lib/jvm", "/etc/nginx/nginx.conf"))
        and not [name for name in known if name.startswith(PACKAGES)]
        and links == ""
    )


def test_it_has_neither_nginx_nor_java_and_dpkg_knows_of_none(host: HostFixture) -> None:
    assert is_bare(host)


def test_a_java_that_its_repositories_lack_leaves_it_as_bare_as_it_was(host: HostFixture) -> None:
    report = host.command("provision", settings={"java": 25})
    assert not report["ok"]
    assert re.fullmatch(
        r"nginx and Java 25 missing, and `apt-get install nginx openjdk-25-jre-headless` failed with 100:"
        r" E: [^;]+; install nginx by hand, and put a JDK 25 into /usr/lib/jvm",
        report["reason"],
    )
    assert is_bare(host)
    assert host.shell("ls -A /opt; ls /etc/systemd/system | grep twinslot || true") == ""
    assert not host.succeeds("id", "twinslot-shop")
