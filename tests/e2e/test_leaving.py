"""`make sandbox` as a person runs it, and that nothing is left of it, however it ends."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from lab.project import ROOT
from lab.sandbox.sandbox import unavailable
from tests.waiting import wait_until


@dataclass
class Started:
    """A running `make sandbox`. `name` is part of the names of its bridge, mounts and control groups."""

    process: subprocess.Popen[str]
    welcome: str
    name: str

    def leftovers(self) -> list[str]:
        """Return everything of it that is left on this machine."""
        links = [link["ifname"] for link in _ip("link", "show") if self.name in link["ifname"]]
        mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if f"/{self.name}" in line]
        # Not by a glob, which fails when a group goes while it looks.
        groups = [each for each, _, _ in os.walk("/sys/fs/cgroup") if f"/{self.name}" in each]
        endpoint = re.findall(r"http://[0-9.]+:\d+", self.welcome)[0].encode()
        return links + mounts + groups + _processes(self.name.encode(), endpoint)


@pytest.fixture
def started() -> Iterator[Started]:
    reason = unavailable()
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to run the e2e tests, but: {reason}")
        pytest.skip(reason)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "lab.sandbox"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield _welcomed(process)
    finally:
        process.kill()
        process.wait()


def test_it_prints_commands_and_leaves_nothing_behind(started: Started) -> None:
    assert "s3 cp" in started.welcome
    assert "lambda invoke" in started.welcome
    assert started.leftovers(), "a running sandbox is seen"
    _invoke_a_function(started)

    started.process.send_signal(signal.SIGINT)

    assert started.process.wait(30) == 0
    assert started.leftovers() == []


def test_killed_it_leaves_nothing_behind_either(started: Started) -> None:
    _invoke_a_function(started)

    started.process.kill()
    started.process.wait()

    wait_until(lambda: started.leftovers() == [])


def test_its_host_has_a_shell_and_comes_back_from_a_reboot(started: Started) -> None:
    (shell,) = re.findall(r"^  ((?:sudo )?nsenter .+)$", started.welcome, re.MULTILINE)

    def on_host(command: str) -> str:
        argv = ["bash", "-c", f"{shell} -c {shlex.quote(command)}"]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5)
        except subprocess.TimeoutExpired:
            return ""  # nsenter may hang in a namespace that is just being removed
        return done.stdout.strip()

    boot = on_host("cat /proc/sys/kernel/random/boot_id")
    assert boot

    on_host("systemctl reboot")

    wait_until(lambda: on_host("cat /proc/sys/kernel/random/boot_id") not in ("", boot))
    wait_until(lambda: on_host("systemctl is-active amazon-ssm-agent") == "active")
    wait_until(lambda: _commands_end(started))
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(30) == 0
    assert started.leftovers() == []


def _welcomed(process: subprocess.Popen[str]) -> Started:
    """Read until the last line of its first output."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    welcome = "".join(lines)
    address = re.findall(r"http://([0-9.]+):\d+", welcome)[0]
    bridges = [
        link["ifname"]
        for link in _ip("address", "show")
        for each in link["addr_info"]
        if each.get("local") == address
    ]
    return Started(process, welcome, bridges[0])


def _client(started: Started, service: str) -> Any:
    """Return a client with the variables that the sandbox prints."""
    variables = dict(re.findall(r"(AWS_\w+)=(\S+)", started.welcome))
    session = boto3.Session(
        variables["AWS_ACCESS_KEY_ID"],
        variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
    )
    return session.client(service, endpoint_url=variables["AWS_ENDPOINT_URL"])


def _invoke_a_function(started: Started) -> None:
    """Invoke one, so that there is a process that could be left behind."""
    _client(started, "lambda").invoke(FunctionName="twinslot-rollback", Payload="{}")


def _commands_end(started: Started) -> bool:
    """Return whether the agent carries out a command, which it can after a reboot too."""
    ssm = _client(started, "ssm")
    (agent,) = ssm.describe_instance_information()["InstanceInformationList"]
    sent = ssm.send_command(
        DocumentName="twinslot-host",
        InstanceIds=[agent["InstanceId"]],
        Parameters={"verb": ["report"], "app": ["shop"], "step": ["report"]},
    )
    where = {"CommandId": sent["Command"]["CommandId"], "InstanceId": agent["InstanceId"]}
    wait_until(lambda: ssm.get_command_invocation(**where)["Status"] not in ("Pending", "InProgress"))
    return ssm.get_command_invocation(**where)["Status"] == "Success"


def _ip(*arguments: str) -> list[dict[str, Any]]:
    shown = subprocess.run(["ip", "-j", *arguments], check=True, capture_output=True, text=True).stdout
    found: list[dict[str, Any]] = json.loads(shown)
    return found


def _processes(*marks: bytes) -> list[str]:
    """Return the processes with one of these in their control group, command line or environment."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        if int(directory.name) == os.getpid():
            continue
        try:
            told = b"\0".join((directory / name).read_bytes() for name in ("cgroup", "cmdline", "environ"))
            called = (directory / "comm").read_text().strip()
        except OSError:
            continue
        if any(mark in told for mark in marks):
            found.append(f"{directory.name}: {called}")
    return found
