"""Machines are what other tests take them for: bare hosts with a life of their own, which leave no trace."""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab.sandbox.hosts import cleanup, images, network
from lab.sandbox.hosts.machine import STATE, SUBNETS_LOCK, Machine, Rack
from tests.waiting import wait_until

Boot = Callable[..., Machine]
RUNS = STATE / "runs"

UNIT = """\
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/touch /root/stopped-in-good-order

[Install]
WantedBy=multi-user.target
"""


def say(machine: Machine, *argv: str) -> str:
    """The output of a command that has to succeed."""
    done = machine.run(argv, timeout_seconds=60)
    assert done.returncode == 0, done
    return done.stdout.strip()


def test_it_runs_a_systemd_of_its_own_in_which_nothing_failed(machine: Machine) -> None:
    assert say(machine, "systemctl", "is-system-running") == "running"
    assert say(machine, "ps", "-o", "comm=", "-p", "1") == "systemd"
    assert say(machine, "hostname") == machine.name


def test_it_has_python_and_java_but_no_nginx(boot: Boot) -> None:
    bare = boot("i-bare")
    assert say(bare, "/usr/bin/python3", "-c", "print('here')") == "here"
    assert say(bare, "sh", "-c", "command -v java") == "/usr/bin/java"
    assert bare.run(["which", "nginx"], timeout_seconds=10).returncode == 1
    assert bare.run(["dpkg-query", "-W", "nginx-common"], timeout_seconds=10).returncode == 1


def test_it_sees_nothing_of_the_project_nor_of_anybodys_files(machine: Machine) -> None:
    assert machine.run(["test", "-e", str(images.ROOT)], timeout_seconds=10).returncode == 1
    assert say(machine, "ls", "/root", "/home", "/opt", "/usr/local/bin").split() == [
        *("/home:", "/opt:", "/root:", "/usr/local/bin:")
    ]


def test_it_writes_nothing_to_the_system_it_lies_over(machine: Machine) -> None:
    machine.write("/usr/lib/written-by-a-machine", "")
    assert not Path("/usr/lib/written-by-a-machine").exists()


def test_it_installs_nginx_for_real_without_a_network(boot: Boot) -> None:
    host = boot("i-nginx")
    say(host, "apt-get", "install", "--yes", "nginx")
    assert say(host, "systemctl", "is-active", "nginx") == "active"
    assert say(host, "systemctl", "is-enabled", "nginx") == "enabled"
    with urllib.request.urlopen(f"http://{host.address}/", timeout=5) as answer:
        assert b"nginx" in answer.read()


@pytest.fixture
def gateway(rack: Rack) -> Iterator[str]:
    """An HTTP server on this machine, where hosts look for AWS."""

    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.client_address[0].encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((rack.gateway, 0), Hello) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://{rack.gateway}:{server.server_port}/"
        server.shutdown()


FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


def test_a_host_reaches_the_gateway_from_its_own_address(machine: Machine, gateway: str) -> None:
    assert say(machine, "/usr/bin/python3", "-c", FETCH, gateway) == machine.address


@pytest.mark.usefixtures("rack")
def test_no_cable_changes_the_hardware_address_by_which_hosts_know_the_gateway() -> None:
    with cleanup.lock(SUBNETS_LOCK):
        bridge = network.Network(f"tw{os.getpid()}")
    address = Path(f"/sys/class/net/{bridge.name}/address")
    try:
        before = address.read_text()
        # A bridge that has none of its own takes its cables' lowest.
        cable = [f"{bridge.name}.1", "address", "00:00:00:00:00:02", "type", "veth"]
        subprocess.run(["ip", "link", "add", *cable, "peer", "name", f"{bridge.name}p1"], check=True)
        subprocess.run(["ip", "link", "set", cable[0], "master", bridge.name, "up"], check=True)
        assert address.read_text() == before
    finally:
        network.remove(bridge.name)


def test_a_name_that_is_not_known_is_not_found(machine: Machine) -> None:
    done = machine.run(["getent", "hosts", "s3.amazonaws.com"], timeout_seconds=30)
    assert done.returncode == 2


def test_a_subnet_that_is_in_use_is_not_taken() -> None:
    taken = [IPv4Network("0.0.0.0/32"), IPv4Network("10.213.0.0/24"), IPv4Network("10.213.1.128/25")]
    assert network.choose_subnet(taken) == IPv4Network("10.213.2.0/24")


def test_without_a_free_subnet_it_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"no free subnet in 10\.213\.0\.0/16"):
        network.choose_subnet([IPv4Network("10.0.0.0/8")])


def test_a_command_gets_the_given_environment_and_nothing_of_ours(machine: Machine) -> None:
    done = machine.run(["env"], env={"SSM_verb": "stage"}, timeout_seconds=10)
    assert sorted(line.partition("=")[0] for line in done.stdout.splitlines()) == [
        *("HOME", "LANG", "PATH", "SSM_verb")
    ]


def test_a_command_reads_its_input_and_reports_its_failure(machine: Machine) -> None:
    done = machine.run(["sh", "-c", "cat; echo bad >&2; exit 3"], input="good", timeout_seconds=10)
    assert (done.returncode, done.stdout, done.stderr) == (3, "good", "bad\n")


def test_a_command_that_takes_too_long_is_killed(machine: Machine) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        machine.run(["sleep", "4711"], timeout_seconds=0.3)
    wait_until(lambda: "sleep 4711" not in say(machine, "ps", "-eo", "args"))


def test_a_command_belongs_to_the_machines_control_group(machine: Machine) -> None:
    assert all(
        line.endswith(("/commands", ":/")) for line in say(machine, "cat", "/proc/self/cgroup").split()
    )
    assert "/commands" in say(machine, "cat", "/proc/self/cgroup")


def test_files_are_written_and_read_with_what_lies_between(machine: Machine) -> None:
    machine.write("/srv/deep/er/tool", "#!/bin/sh\necho $0 ü\n", mode=0o755)
    assert machine.read("/srv/deep/er/tool") == "#!/bin/sh\necho $0 ü\n"
    assert say(machine, "/srv/deep/er/tool") == "/srv/deep/er/tool ü"
    with pytest.raises(RuntimeError, match="No such file"):
        machine.read("/srv/missing")


def test_files_and_units_are_there_from_the_start(boot: Boot) -> None:
    host = boot("i-units", files={"/etc/systemd/system/waits.service": UNIT}, units=["waits.service"])
    assert say(host, "systemctl", "is-active", "waits") == "active"
    assert say(host, "systemctl", "is-enabled", "waits") == "enabled"


@pytest.mark.parametrize("path", ["/../outside", "/etc/../../../../../outside"])
def test_files_cannot_be_placed_outside_of_the_machine(boot: Boot, path: str) -> None:
    with pytest.raises(ValueError, match="leads out of the machine"):
        boot("i-out", files={path: ""})


def test_a_reboot_keeps_files_and_address_and_starts_units_again(boot: Boot) -> None:
    host = boot("i-reboot", files={"/etc/systemd/system/waits.service": UNIT}, units=["waits.service"])
    host.write("/run/gone", "")
    host.write("/root/kept", "kept")
    host.reboot()
    assert host.run(["test", "-e", "/run/gone"], timeout_seconds=10).returncode == 1
    assert host.read("/root/kept") == "kept"
    assert host.read("/root/stopped-in-good-order") == ""
    assert host.address in say(host, "ip", "address", "show", "eth0")
    assert say(host, "systemctl", "is-active", "waits") == "active"
    assert len(say(host, "journalctl", "--list-boots", "--quiet").splitlines()) == 2


def test_a_power_cut_stops_nothing_in_good_order_and_keeps_what_was_written(boot: Boot) -> None:
    host = boot("i-cut", files={"/etc/systemd/system/waits.service": UNIT}, units=["waits.service"])
    host.write("/root/kept", "kept")
    host.kill()
    host.start()
    assert host.read("/root/kept") == "kept"
    assert host.run(["test", "-e", "/root/stopped-in-good-order"], timeout_seconds=10).returncode == 1


def test_a_shutdown_stops_units_in_good_order(boot: Boot) -> None:
    host = boot("i-off", files={"/etc/systemd/system/waits.service": UNIT}, units=["waits.service"])
    host.shutdown()
    host.start()
    assert host.read("/root/stopped-in-good-order") == ""


def test_hosts_boot_at_the_same_time_and_know_nothing_of_each_other(rack: Rack) -> None:
    with ThreadPoolExecutor() as threads:
        one, two = threads.map(rack.boot, ["i-one", "i-two"])
    try:
        assert one.address != two.address
        one.write("/run/only-here", "")
        assert two.run(["test", "-e", "/run/only-here"], timeout_seconds=10).returncode == 1
        one.kill()
        assert say(two, "systemctl", "is-system-running") == "running"
        assert say(two, "hostname") == "i-two"
    finally:
        one.kill()
        two.kill()


CHILD = """
import sys, time
from lab.sandbox.hosts.machine import Rack
with Rack() as rack:
    machine = rack.boot("i-child")
    print(rack.gateway.rpartition(".")[0], machine.directory.parent.name, flush=True)
    if "fail" in sys.argv:
        raise RuntimeError("something else went wrong")
    time.sleep(600)
"""


@contextlib.contextmanager
def other_run(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Another process with a rack and a machine: the process, the beginning of its addresses, its name."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        cwd=images.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        subnet, name = process.stdout.readline().split()
        yield process, subnet, name
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        process.wait(60)
        process.stdout.close()


def traces(name: str) -> list[str]:
    """Everything on this machine that bears the name of a run."""
    found = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    found += [link for link in os.listdir("/sys/class/net") if link.startswith(name)]
    # Not by a glob, which fails when a group goes while it looks.
    found += [parent for parent, groups, _ in os.walk("/sys/fs/cgroup") if name in groups]
    found += [str(path) for path in RUNS.glob(name)]
    found += [str(path) for path in Path("/run/systemd/nspawn").glob(f"propagate/{name}-*")]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [command] if name in command and "lab.sandbox.hosts.cleanup" not in command else []
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_by_a_signal_leaves_nothing(rack: Rack, number: signal.Signals) -> None:
    with other_run() as (process, _, name):
        assert traces(name)
        process.send_signal(number)
        process.wait(60)
        wait_until(lambda: not traces(name))


def test_a_run_that_ends_with_an_error_leaves_nothing(rack: Rack) -> None:
    with other_run("fail") as (process, _, name):
        assert process.wait(60) == 1
        assert traces(name) == []


def keeper_of(name: str) -> int:
    """The process that is to clean up after a run."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().endswith(f"lab.sandbox.hosts.cleanup\0{RUNS / name}\0".encode()):
                return int(path.parent.name)
    raise AssertionError(f"{name} has no keeper")


def test_what_a_run_and_its_keeper_left_when_both_were_killed_goes_with_the_next_run(rack: Rack) -> None:
    with other_run() as (process, _, name):
        os.kill(keeper_of(name), signal.SIGKILL)
        process.kill()
        process.wait(60)
        assert traces(name)
        with cleanup.lock(RUNS / "lock"):
            cleanup.sweep(RUNS)
        assert traces(name) == []


def test_runs_at_the_same_time_do_not_meet(rack: Rack, machine: Machine) -> None:
    with other_run() as (_, subnet, name), cleanup.lock(RUNS / "lock"):
        assert not rack.gateway.startswith(subnet + ".")
        cleanup.sweep(RUNS)
        assert traces(name)
        assert say(machine, "systemctl", "is-system-running") == "running"
