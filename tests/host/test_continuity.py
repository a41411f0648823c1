"""What users notice on one host: nothing, while traffic moves, processes die and old slots end."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.sandbox.hosts.machine import Rack
from lab.sandbox.traffic.load_generator import Load
from tests.host.host_fixture import HostFixture, Release, host_on, jar

MAX_UNDER_WAY = 4
"""Requests of 400 a second that a process has in hand when it dies."""


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaaa3") as host_fixture:
        yield host_fixture


@pytest.fixture
def warm(host: HostFixture, v1: Release, v2: Release) -> tuple[Release, Release]:
    """1.0 is warm in one slot and 2.0 live in the other."""
    host.make_live(v1)
    host.make_live(v2)
    return v1, v2


def slot_with(host: HostFixture, label: str) -> tuple[str, dict[str, object]]:
    """The slot that holds a release, and what is said of it."""
    slots = host.go("report", fence=0)["slots"]
    return next((name, slot) for name, slot in slots.items() if slot["label"] == label)


def test_flips_and_stagings_lose_no_request(
    host: HostFixture, warm: tuple[Release, Release], tmp_path: Path
) -> None:
    with Load(host.machine.address, tmp_path / "records", rate=400, connections=32) as load:
        for release, _ in zip(itertools.cycle(warm), range(10), strict=False):
            host.go("flip", deployment=host.deployment(), release=release)
        host.deploy(host.bucket.put(jar("3.0")))
        traffic = load.stop()
    assert traffic.reasons() == {}
    assert set(traffic.served_by()) == {"1.0", "2.0", "3.0"}


def test_the_standby_answers_when_the_live_process_is_killed(
    host: HostFixture, warm: tuple[Release, Release], tmp_path: Path
) -> None:
    pid = slot_with(host, "2.0")[1]["pid"]
    with Load(host.machine.address, tmp_path / "records", rate=400, connections=32) as load:
        host.until(lambda: load.requests > 200)
        before = time.time()
        host.shell(f"kill -9 {pid}")
        after = time.time()
        host.until(lambda: host.release() == "1.0")
        host.until(lambda: host.release() == "2.0")  # systemd has started it again
        traffic = load.stop()
    # What cannot be repeated: a POST that was with the process when it died, an answer that had begun.
    at_the_kill = traffic.during(before - 1, after + 1)
    assert traffic.lost == at_the_kill.lost <= MAX_UNDER_WAY
    assert traffic.served_by()["1.0"] > 50


def test_a_warm_process_that_ends_is_no_standby_at_once(
    host: HostFixture, warm: tuple[Release, Release]
) -> None:
    slot, about = slot_with(host, "1.0")
    flag = f"/run/twinslot/shop/standby/{slot}"
    host.shell(f"test -e {flag} && kill -9 {about['pid']}")
    host.until(lambda: not host.succeeds("test", "-e", flag))
    host.until(lambda: host.runs(slot))
    report = host.go("report", fence=0)
    assert (report["standby"], report["slots"][slot]["verified"]) == (False, False)


def test_the_live_slot_and_the_time_of_the_warm_one_survive_a_reboot(
    host: HostFixture, warm: tuple[Release, Release]
) -> None:
    before = host.go("report", fence=0)["live"]
    due = host.shell("cat /var/lib/twinslot/shop/retire_at")
    host.machine.reboot()
    host.until(lambda: host.release() == "2.0")
    report = host.go("report", fence=0)
    assert (report["live"], report["standby"]) == (before, False)
    # No verb verified what the boot started; a report checks the live process.
    assert {slot["label"] for slot in report["slots"].values() if slot["verified"]} == {"2.0"}
    assert host.shell("cat /var/lib/twinslot/shop/retire_at") == due
    assert host.shell("systemctl is-active twinslot-shop-retire.timer") == "active\n"
    # Going back needs no new start: what the boot started is verified as it runs.
    host.until(lambda: host.runs(slot_with(host, "1.0")[0]))
    pid = slot_with(host, "1.0")[1]["pid"]
    host.go("flip", step="revert", deployment=host.deployment(), release=warm[0])
    assert (host.release(), slot_with(host, "1.0")[1]["pid"]) == ("1.0", pid)


def test_power_loss_right_after_a_flip_keeps_the_flip(
    host: HostFixture, warm: tuple[Release, Release]
) -> None:
    host.go("flip", deployment=host.deployment(), release=warm[0])
    host.machine.kill()
    host.machine.start()
    host.until(lambda: host.release() == "1.0")


def test_the_old_slot_ends_when_its_time_is_over_and_its_last_request_answered(
    host: HostFixture, v1: Release, v2: Release, tmp_path: Path
) -> None:
    host.make_live(v1)
    host.go("stage", deployment=(deployment := host.deployment()), release=v2)
    with Load(host.machine.address, tmp_path / "slow", rate=1, connections=1, path="/slow?ms=8000") as slow:
        host.until(lambda: host.shell("ss -Htn state established '( dport = :8081 or dport = :8082 )'") != "")
        host.go("flip", deployment=deployment, release=v2)
        host.go("bake", deployment=deployment, release=v2, settings={"keep_warm_seconds": 1})
        old = slot_with(host, "1.0")[0]
        assert host.runs(old)
        run = host.shell(f"systemctl show --property=InvocationID --value twinslot-shop@{old}").strip()
        host.until(lambda: not host.runs(old), 60)
        traffic = slow.stop()
    assert traffic.reasons() == {}
    assert "1.0" in traffic.served_by()
    assert not host.go("report", fence=0)["standby"]
    assert not host.succeeds("systemctl", "is-enabled", f"twinslot-shop@{old}")
    host.until(lambda: not host.succeeds("systemctl", "is-active", "twinslot-shop-retire.timer"))
    assert "Graceful shutdown complete" in host.shell(f"journalctl _SYSTEMD_INVOCATION_ID={run} -o cat")


def test_a_release_that_fails_is_no_standby_and_its_time_is_over(
    host: HostFixture, warm: tuple[Release, Release]
) -> None:
    report = host.go("flip", step="revert", deployment=host.deployment(), release=warm[0])
    assert (report["standby"], slot_with(host, "2.0")[1]["verified"]) == (False, False)
    assert float(host.shell("cat /var/lib/twinslot/shop/retire_at")) <= time.time()
