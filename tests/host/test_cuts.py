"""Every verb, cut by SIGKILL after each lasting thing it does and run again, ends as if it had not been cut.

A lasting thing is a rename, a removal, a link, the end of a program that was run, or what the program itself
names a step. The cut is what the SSM agent does on a timeout or a cancellation: the process group dies.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import SCRIPT, HostFixture, Release, Report, host_on, jar

# Runs the document's script but for its last line, and counts. argv: script, where to cut, the script's own.
CUTTER = """
import os, signal, subprocess, sys
script, at, *arguments = sys.argv[1:]
source = open(script).read()
head, _, _ = source.rpartition("sys.exit(main(")
sys.argv = [script, *arguments]
exec(compile(head, script, "exec"))
count = noted = 0
def lasting():
    global count
    count += 1
    if count == int(at):
        os.killpg(0, signal.SIGKILL)
def counted(function):
    def wrapper(*given, **named):
        result = function(*given, **named)
        if "show" not in given[0]:
            lasting()
        return result
    return wrapper
def step(name):
    global noted
    if count == noted:  # else what it names was counted by itself
        lasting()
    noted = count
for name in ("rename", "unlink", "symlink"):
    setattr(os, name, counted(getattr(os, name)))
subprocess.run = counted(subprocess.run)
for name, module in list(sys.modules.items()):
    if name.startswith("twinslot_host.") and hasattr(module, "step"):
        module.step = step
os.setpgid(0, 0)
sys.exit(main(sys.argv, dict(os.environ)))
"""

# Each test makes some dozens of cuts.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaaa4") as host_fixture:
        host_fixture.machine.write("/root/cutter.py", CUTTER)
        host_fixture.go("provision")
        yield host_fixture


@pytest.fixture(scope="module")
def releases(host: HostFixture) -> tuple[Release, Release]:
    return host.bucket.put(jar("1.0")), host.bucket.put(jar("2.0"))


def cut(host: HostFixture, at: int, verb: str, **given: Any) -> bool:
    """Carries a command out until its `at`-th lasting thing. False: it came to its end before."""
    argv = ["python3", "/root/cutter.py", SCRIPT, str(at)]
    done = host.machine.run(argv, env=host.environment(verb, **given), timeout_seconds=60)
    assert done.returncode in (0, 1, -9, 137), done.stderr
    return done.returncode not in (0, 1)


def litter(host: HostFixture) -> str:
    """Temporary files that something left behind."""
    paths = "/opt/twinslot /var/lib/twinslot /run/twinslot /etc/nginx /etc/systemd"
    return host.shell(f"find {paths} -name '.*' -o -name '*.new'").strip()


def every_cut(host: HostFixture, prepare: Callable[[int], dict[str, Any]], verb: str) -> Iterator[Report]:
    """For each place where the verb can be cut: prepares, cuts, runs it again and gives that report."""
    for at in range(1, 200):
        given = prepare(at)
        if not cut(host, at, verb, **given):
            assert at > 3
            return
        yield host.command(verb, **given)


def test_provision(host: HostFixture) -> None:
    def bare(_: int) -> dict[str, Any]:
        host.shell(
            "systemctl stop nginx; systemctl disable --quiet nginx; userdel -f twinslot-shop 2>/dev/null;"
            " rm -rf /opt/twinslot /var/lib/twinslot /run/twinslot /etc/nginx/conf.d/*;"
            " rm -f /etc/systemd/system/*twinslot-shop* /etc/systemd/system/*/twinslot-shop*;"
            " ln -sf /etc/nginx/sites-available/default /etc/nginx/sites-enabled/; systemctl daemon-reload"
        )
        return {"deployment": "", "fence": 0}

    for report in every_cut(host, bare, "provision"):
        assert report["ok"], report
        assert host.get()[0] == 502
        for unit in ("nginx", "twinslot-shop-retire.timer"):
            assert host.succeeds("systemctl", "is-enabled", unit), unit
        assert host.succeeds("id", "twinslot-shop")
        assert litter(host) == ""
    host.go("provision", fence=0)


def test_stage(host: HostFixture, releases: tuple[Release, Release]) -> None:
    host.make_live(releases[0])
    live = host.go("report", fence=0)["live"]

    def unstaged(at: int) -> dict[str, Any]:
        release = host.bucket.put(jar(f"3.{at}"))
        return {"deployment": host.deployment(), "release": release}

    for report in every_cut(host, unstaged, "stage"):
        idle = next(slot for name, slot in report["slots"].items() if name != live)
        assert report["ok"], report
        assert (report["live"], host.release()) == (live, "1.0")
        assert (idle["release"], idle["verified"], report["standby"]) == (report["sha256"], True, False)
        assert litter(host) == ""


@pytest.mark.parametrize("step", ["flip", "revert"])
def test_flip(host: HostFixture, releases: tuple[Release, Release], step: str) -> None:
    host.make_live(releases[0])

    def unflipped(at: int) -> dict[str, Any]:
        host.make_live(releases[at % 2])
        return {"deployment": host.deployment(), "release": releases[1 - at % 2], "step": step}

    for report in every_cut(host, unflipped, "flip"):
        label = report["slots"][report["live"]]["label"]
        assert report["ok"], report
        assert report["slots"][report["live"]]["release"] == report["sha256"]
        assert host.release() == label
        assert report["standby"] == (step == "flip")
        assert host.succeeds("systemctl", "is-enabled", f"twinslot-shop@{report['live']}")
        assert host.succeeds("systemctl", "is-active", "twinslot-shop-retire.timer")
        assert litter(host) == ""


def test_bake(host: HostFixture, releases: tuple[Release, Release]) -> None:
    host.make_live(releases[0])
    host.make_live(releases[1])

    def unbaked(_: int) -> dict[str, Any]:
        return {"deployment": host.deployment(), "release": releases[1], "previous": releases[0]}

    for report in every_cut(host, unbaked, "bake"):
        assert report["ok"], report
        assert (host.release(), report["standby"]) == ("2.0", True)
        assert litter(host) == ""


def test_a_bake_that_goes_back(host: HostFixture, releases: tuple[Release, Release]) -> None:
    host.make_live(releases[0])
    host.make_live(releases[1])

    def dead(_: int) -> dict[str, Any]:
        given = {"deployment": host.deployment(), "release": releases[1], "previous": releases[0]}
        slots = host.go("flip", **given)["slots"]
        host.shell(f"kill -9 {next(slot['pid'] for slot in slots.values() if slot['label'] == '2.0')}")
        return given

    for report in every_cut(host, dead, "bake"):
        assert not report["ok"]
        assert report["slots"][report["live"]]["label"] == "1.0"
        assert host.release() == "1.0"
        assert litter(host) == ""


def test_retire(host: HostFixture, releases: tuple[Release, Release]) -> None:
    for at in range(1, 50):
        host.make_live(releases[at % 2])
        host.make_live(releases[1 - at % 2])
        report = host.go("report", fence=0)
        old = next(name for name in report["slots"] if name != report["live"])
        host.shell(
            "systemctl stop twinslot-shop-retire.timer twinslot-shop-retire.service; nginx -s reload"
        )  # its idle connections go too
        host.until(lambda: host.shell("ss -Htn state established '( sport = :8081 or sport = :8082 )'") == "")
        host.shell("echo 1 > /var/lib/twinslot/shop/retire_at")
        argv = ["python3", "/root/cutter.py", SCRIPT, str(at), "retire", "shop"]
        done = host.machine.run(argv, timeout_seconds=60)
        ended = done.returncode == 0
        if not ended:
            host.shell(f"{SCRIPT} retire shop")
        assert not host.runs(old)
        assert not host.succeeds("systemctl", "is-enabled", f"twinslot-shop@{old}")
        assert not host.succeeds("test", "-e", "/var/lib/twinslot/shop/retire_at")
        assert (host.release(), litter(host)) == (report["slots"][report["live"]]["label"], "")
        if ended:
            assert at > 3
            return
