"""nginx goes away under the product's hands: killed, or stopped by somebody."""

from collections.abc import Iterator

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import HostFixture, Release, host_on, jar

BACK_SECONDS = 15.0


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaaa9") as host_fixture:
        yield host_fixture


@pytest.fixture(scope="module")
def releases(host: HostFixture) -> tuple[Release, Release]:
    return host.bucket.put(jar("1.0")), host.bucket.put(jar("2.0"))


def test_nginx_that_was_killed_is_back_by_itself(
    host: HostFixture, releases: tuple[Release, Release]
) -> None:
    host.make_live(releases[0])
    host.shell("pkill -KILL nginx")
    host.until(lambda: host.succeeds("systemctl", "--quiet", "is-active", "nginx"), BACK_SECONDS)
    assert host.release() == "1.0"


def test_a_flip_starts_nginx_that_somebody_stopped(
    host: HostFixture, releases: tuple[Release, Release]
) -> None:
    host.make_live(releases[0])
    deployment = host.deployment()
    host.go("stage", deployment=deployment, release=releases[1])
    host.shell("systemctl stop nginx")
    host.go("flip", deployment=deployment, release=releases[1])
    assert host.release() == "2.0"


def test_a_bake_starts_nginx_that_somebody_stopped(
    host: HostFixture, releases: tuple[Release, Release]
) -> None:
    host.make_live(releases[0])
    given = {"deployment": host.deployment(), "release": releases[1], "settings": {"bake_seconds": 1}}
    host.go("stage", **given)
    host.go("flip", **given)
    host.shell("systemctl stop nginx")
    host.go("bake", **given)
    assert host.release() == "2.0"


def test_an_unchanged_host_stays_unchanged(host: HostFixture) -> None:
    host.go("provision", fence=0)
    before = host.shell(
        "systemctl show --property=InvocationID nginx; cat /etc/systemd/system/nginx.service.d/*"
    )
    host.go("provision", fence=0)
    after = host.shell(
        "systemctl show --property=InvocationID nginx; cat /etc/systemd/system/nginx.service.d/*"
    )
    assert "Restart=on-failure" in before
    assert before == after
