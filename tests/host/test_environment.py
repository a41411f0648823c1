"""An app's environment: from Parameter Store into its process, exactly, and nowhere else."""

import base64
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twinslot_host.slot.environment import compose, fits_in

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import HostFixture, Release, Report, host_on, jar

PATH = "/twinslot/apps/shop/env"
SECRETS = "/var/lib/twinslot/shop/secrets"
SECRET = "hunter2-c0rrect-horse"
VALUES = {
    "PASSWORD": SECRET,
    "EMPTY": "",
    "SPACES": "  around\t ",
    "QUOTES": "a\"b'c`d\\",
    "DOLLARS": "$HOME ${PATH} $$ %i %% %h",
    "LINES": "first\nSERVER_PORT=1\r\n# third\n\n;",
    "CONTINUED": "back\\\nslash\\\\\n\\",
    "PEOPLE": "café 東京 \U0001f680 \u200f\u2028\ufeff",
    "CONTROL": "\x01\x1b[31m\x7f\b",
    "_private9": '{"json": ["a", "b\\n"]}',
}


NO_TIMER = "systemctl stop twinslot-shop-retire.timer twinslot-shop-retire.service"
"""No slot must retire during a test."""


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaac1") as host_fixture:
        yield host_fixture


def give(host: HostFixture, **values: str) -> None:
    """What Parameter Store holds for the app from now on."""
    host.bucket.parameters = {f"{PATH}/{name}": value for name, value in values.items()}


def upload(host: HostFixture, label: str = "1.0") -> Release:
    return host.bucket.put(jar(label))


def environ(host: HostFixture, pid: int) -> dict[str, str]:
    """The environment of a process, read from the kernel."""
    raw = base64.b64decode(host.shell(f"base64 -w0 /proc/{pid}/environ"))
    pairs = (entry.decode().partition("=") for entry in raw.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def pid_of(report: Report) -> int:
    """The live process."""
    return int(report["slots"][report["live"]]["pid"])


def test_every_value_reaches_the_process_as_it_is(host: HostFixture) -> None:
    give(host, **VALUES)
    host.bucket.parameters[f"{PATH}/deeper/NOT"] = "read"
    host.bucket.parameters["/twinslot/apps/shop/other"] = "not read"
    found = environ(host, pid_of(host.deploy(upload(host))))
    assert {name: found.get(name) for name in VALUES} == VALUES
    assert found["SERVER_PORT"] == "8082"
    assert not {"NOT", "other"} & set(found)


def test_only_root_reads_it_and_nothing_else_has_it(host: HostFixture) -> None:
    modes = host.shell(f"find {SECRETS} ! -type l -printf '%U %m %y\\n' | sort -u")
    assert modes == "0 600 f\n0 700 d\n"
    files = host.shell(
        f"grep -rlF {SECRET} /var /etc /opt /run /tmp /root --exclude-dir=secrets 2>/dev/null || true"
    )
    assert files == ""
    assert SECRET not in host.shell("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    told = host.shell(f"journalctl --all --output=export | grep -vaF 'grep ' | grep -acF {SECRET} || true")
    assert told == "0\n"


def test_systemd_starts_the_process_again_with_it(host: HostFixture) -> None:
    before = pid_of(host.go("report", fence=0))
    host.shell(f"kill -9 {before}")
    host.until(lambda: pid_of(host.go("report", fence=0)) not in (0, before))
    assert environ(host, pid_of(host.go("report", fence=0)))["PASSWORD"] == SECRET


def test_the_same_jar_is_started_anew_when_its_environment_changed(host: HostFixture) -> None:
    give(host, PASSWORD="old")
    before = pid_of(host.deploy(upload(host)))
    assert pid_of(host.deploy(upload(host))) == before
    give(host, PASSWORD="new")
    assert environ(host, pid_of(host.deploy(upload(host))))["PASSWORD"] == "new"
    assert environ(host, before)["PASSWORD"] == "old"


def test_a_warm_slot_that_died_is_started_with_what_it_was_staged_with(host: HostFixture) -> None:
    give(host, PASSWORD="first")
    one = upload(host, "1.0")
    warm = host.deploy(one)["live"]
    give(host, PASSWORD="second")
    host.make_live(upload(host, "2.0"))
    host.shell(f"systemctl stop twinslot-shop@{warm}")
    asked = len(host.bucket.requests)
    report = host.go("flip", step="revert", deployment=host.deployment(), release=one)
    assert environ(host, pid_of(report))["PASSWORD"] == "first"
    assert len(host.bucket.requests) == asked


def test_a_retired_slot_leaves_no_secret_and_is_started_with_those_of_today(host: HostFixture) -> None:
    give(host, PASSWORD="first")
    one = upload(host, "1.0")
    host.make_live(one)
    give(host, PASSWORD="second")
    host.make_live(upload(host, "2.0"))
    assert '"first"' in host.shell(f"cat {SECRETS}/*")
    host.shell(
        f"{NO_TIMER}; echo 0 > /var/lib/twinslot/shop/retire_at;"
        " python3 /opt/twinslot/twinslot_host.py retire shop"
    )
    assert '"first"' not in host.shell(f"cat {SECRETS}/*")
    give(host, PASSWORD="third")
    report = host.go("flip", step="revert", deployment=host.deployment(), release=one)
    assert environ(host, pid_of(report))["PASSWORD"] == "third"


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ((400, {"__type": "AccessDeniedException", "message": "not ssm:GetParametersByPath"}), "HostPolicy"),
        (
            (400, {"__type": "AccessDeniedException", "message": "no kms:Decrypt: x"}),
            "kms:Decrypt with the key",
        ),
        ((200, {"Parameters": [{"Name": f"{PATH}/A", "Value": 5}]}), "not in the format of its API"),
    ],
)
def test_an_environment_that_cannot_be_read_fails_the_staging_alone(
    host: HostFixture, refusal: tuple[int, object], reason: str
) -> None:
    host.shell(NO_TIMER)
    before = host.go("report", fence=0)
    host.bucket.refusals = [refusal]
    report = host.command("stage", deployment=host.deployment(), release=upload(host, "2.0"))
    assert not report["ok"]
    assert reason in report["reason"]
    assert report["slots"] == before["slots"]


def test_a_variable_that_is_refused_is_named_and_its_value_is_not(host: HostFixture) -> None:
    give(host, LD_PRELOAD=SECRET)
    report = host.command("stage", deployment=host.deployment(), release=upload(host, "2.0"))
    assert not report["ok"]
    assert f"{PATH}/LD_PRELOAD would affect programs that run as root" in report["reason"]
    assert SECRET not in json.dumps(report)


def test_parameter_store_that_throttles_is_asked_again(host: HostFixture) -> None:
    give(host, PASSWORD="patient")
    host.bucket.refusals = [(400, {"__type": "ThrottlingException"}), (503, b"<html>")]
    assert environ(host, pid_of(host.deploy(upload(host, "2.0"))))["PASSWORD"] == "patient"


ANY = st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: "".join(filter(fits_in, text)))
SHARP = st.text(st.sampled_from("\"'\\`$%\n\r\t #;={}a"), max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ANY | SHARP, min_size=20, max_size=60))
def test_systemd_reads_back_whatever_was_written(host: HostFixture, values: list[str]) -> None:
    given = {f"V{number}": value for number, value in enumerate(values)}
    host.machine.write("/root/any.env", compose(PATH, given), 0o600)
    run = "systemd-run --quiet --pipe --wait --property=EnvironmentFile=/root/any.env env -0 | base64 -w0"
    pairs = (entry.decode().partition("=") for entry in base64.b64decode(host.shell(run)).split(b"\0"))
    found = {name: value for name, _, value in pairs}
    assert {name: found.get(name) for name in given} == given
