"""The verbs logs and doctor, which a person asks: on a bare host, on a sound one, on a sick one, and at any
time."""

import concurrent.futures
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import SCRIPT, HostFixture, host_on, jar

OTHER = "/etc/nginx/conf.d/other.conf"


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaac2") as host_fixture:
        yield host_fixture


def ask(host: HostFixture, verb: str, **given: Any) -> tuple[int, str]:
    """The exit code and the output."""
    environment = host.environment(verb, fence=0, **given)
    done = host.machine.run(["sh", "-c", SCRIPT], env=environment, timeout_seconds=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


def examine(host: HostFixture, **given: Any) -> dict[str, dict[str, Any]]:
    """doctor's checks by their names."""
    code, text = ask(host, "doctor", **given)
    told = json.loads(text)
    assert (code, text.count("\n")) == (0, 1)
    assert len(text) <= 20_000
    assert (told["twinslot"], told["host"], told["verb"]) == (1, host.machine.name, "doctor")
    for check in told["checks"]:
        assert set(check) == {"name", "ok", "what", "remedy"}
        assert bool(check["remedy"]) != check["ok"]
    return {check["name"]: check for check in told["checks"]}


def faults(host: HostFixture, **given: Any) -> set[str]:
    return {name for name, check in examine(host, **given).items() if check["ok"] is False}


def test_a_bare_host_lacks_what_provision_brings(host: HostFixture) -> None:
    checks = examine(host)
    missing = {name for name, check in checks.items() if check["ok"] is False}
    assert {"nginx installed", "nginx site", "provisioned"} <= missing
    for name in ("nginx running", "nginx configuration"):
        assert (checks[name]["ok"], checks[name]["remedy"]) == (None, "see nginx installed")
    code, text = ask(host, "logs")
    assert code == 1
    assert "no release of shop is live" in json.loads(text)["reason"]


def test_a_host_that_serves_is_sound_and_tells_what_its_app_said(host: HostFixture) -> None:
    host.make_live(host.bucket.put(jar("1.0")))
    assert faults(host) == set()
    code, text = ask(host, "logs")
    assert code == 0
    assert "Started Shop 1.0" in text.splitlines()[-1]
    assert ask(host, "logs", lines="1")[1].splitlines() == text.splitlines()[-1:]
    assert ask(host, "logs", slot="idle")[0] == 1


def test_both_answer_while_a_slot_is_staged_and_neither_disturbs_it(host: HostFixture) -> None:
    slow = host.bucket.put(jar("1.9", "slow-start=10"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        staging = pool.submit(host.go, "stage", deployment=host.deployment(), release=slow)
        host.until(lambda: "Starting Shop 1.9" in ask(host, "logs", slot="idle")[1])
        assert examine(host)["live slot"]["ok"]
        assert not staging.done()
        assert staging.result()["ok"]


def test_planted_faults_are_found_and_nothing_else(host: HostFixture) -> None:
    host.shell(
        "systemctl stop twinslot-shop@blue; systemd-run --quiet --unit=stranger python3 -m http.server 8081;"
        "until ss -ltn | grep -q :8081; do sleep 0.05; done;"
        f"echo 'server {{ listen 127.0.0.1:80; return 200 mine; }}' > {OTHER}; systemctl reload nginx;"
        "until curl -s http://127.0.0.1/ | grep -q mine; do sleep 0.05; done;"
        "openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=shop -keyout /root/key.pem"
        " -out /root/cert.pem 2>/dev/null"
    )
    tls = {"tls_certificate": "/root/cert.pem", "tls_key": "/root/key.pem"}
    host.bucket.faults = [403]
    host.bucket.refusals = [(400, {"__type": "AccessDeniedException"})]
    checks = examine(host, settings=tls)
    told = {name: check["what"] for name, check in checks.items() if not check["ok"]}
    assert set(told) == {
        *("nginx site", "port 80", "live slot", "slot ports", "s3", "environment", "certificate")
    }
    assert "(python3)" in told["slot ports"]
    assert f"`listen 127.0.0.1:80` in {OTHER}" in told["port 80"]
    assert "ends in 3 days" in told["certificate"]
    assert "403" in told["s3"]

    host.shell(f"echo 'nonsense;' > {OTHER}; systemctl stop stranger nginx")
    checks = examine(host)
    told = {name: check["what"] for name, check in checks.items() if check["ok"] is False}
    assert set(told) == {"nginx configuration", "nginx running", "nginx site", "live slot"}
    assert (checks["port 80"]["ok"], checks["port 80"]["remedy"]) == (None, "see nginx configuration")
    assert 'unknown directive "nonsense"' in told["nginx configuration"]

    host.shell(f"rm {OTHER}; systemctl start nginx")
    assert faults(host) == set()
    assert {"one app", "nginx site", "provisioned"} <= faults(host, app="till")


@pytest.mark.parametrize(
    ("unit", "check"),
    [
        ("nginx", "nginx running"),
        ("twinslot-shop@green", "live slot"),
        ("twinslot-shop-retire.timer", "provisioned"),
    ],
)
def test_what_would_not_come_back_after_a_boot_is_found(host: HostFixture, unit: str, check: str) -> None:
    host.shell(f"systemctl disable {unit}")
    found = examine(host)
    host.shell(f"systemctl enable {unit}")

    assert {name for name, each in found.items() if each["ok"] is False} == {check}
    assert faults(host) == set()
