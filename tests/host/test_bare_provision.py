"""provision without an app, as State Manager sends it: the machine is prepared, and nothing answers on it."""

from collections.abc import Iterator

import pytest

from sandbox.machine import Rack
from tests.host.hosted import Hosted, host_on

WRITTEN = "/etc/nginx /etc/systemd /opt /var/lib/twinslot /etc/passwd"


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[Hosted]:
    with host_on(rack, "i-0aaaaaaaaaaaaaac1") as hosted:
        yield hosted


def test_a_prepared_machine_has_nginx_and_java_and_answers_nobody(host: Hosted) -> None:
    report = host.go("provision", app="", settings={})
    assert (report["app"], report["live"]) == ("", None)
    assert host.succeeds("which", "nginx", "java")
    assert host.shell("find /opt/* /etc/nginx/conf.d/* /etc/nginx/sites-enabled/* 2>/dev/null || true") == ""
    assert "twinslot" not in host.shell("ls /etc/systemd/system")
    with pytest.raises(ConnectionRefusedError):
        host.get()


def test_preparing_a_machine_that_has_its_app_changes_nothing(host: Hosted) -> None:
    host.go("provision")
    look = f"find {WRITTEN} -printf '%p %C@ %i\\n'; pgrep -P $(cat /run/nginx.pid)"
    before = host.shell(look)
    host.go("provision", app="", settings={})
    assert host.shell(look) == before
    assert host.get()[0] == 502
