#!/usr/bin/env python3
"""The SSM agent of a sandbox's host: polls for commands, runs their scripts, reports their results.

Runs in the machine as a systemd service, with Python 3.9 and its standard library only. It runs a script as
amazon-ssm-agent does: a file for `sh -c` (so that a first line `#!…` works), in its own process group, which
is killed on a timeout or a cancellation; standard output and error are read until every process has closed
them.

A command that was running when the agent or the host stopped runs again when it is back, RUNS times at most
(processor.go, processInProgressDocuments).

    agent.py ENDPOINT        ENDPOINT answers POST /agent/poll and /agent/result
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

VERSION = "3.3.2746.0"
"""The version of amazon-ssm-agent that it imitates: the first with interpolationType ENV_VAR."""

POLL_SECONDS = 2.0
WORKERS = 5
"""Commands that run in parallel, as in amazon-ssm-agent; others wait."""

RUNS = 15
"""How often a command is started at most: amazon-ssm-agent's default of CommandRetryLimit."""

MAX_BYTES = 256 * 1024
"""Of each stream; Run Command keeps less."""

HOME = Path("/var/lib/amazon/ssm")
CURRENT = HOME / "current"


class Running:
    """A script that runs. `cancelled` and `timed_out` are why it was killed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.cancelled = False
        self.timed_out = False
        self.lock = threading.Lock()

    def kill(self) -> None:
        """Kill the whole process group."""
        with self.lock:
            if self.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)


class Agent:
    """The agent: one thread polls, up to WORKERS others run scripts."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.running: dict[str, Running] = {}
        self.workers = threading.Semaphore(WORKERS)

    def poll_forever(self) -> None:
        """Poll for ever; errors are retried, so that a restart of the service is not noticed."""
        for order in interrupted():
            self.begin(order)
        while True:
            try:
                answer = self.call(
                    "/agent/poll", {"seconds": POLL_SECONDS, "platform": platform_information()}
                )
            except (OSError, ValueError):
                time.sleep(0.5)
                continue
            for order in answer["run"]:
                self.begin(order)
            for command in answer["cancel"]:
                stopped = self.running.get(command)
                if stopped:
                    stopped.cancelled = True
                    stopped.kill()

    def begin(self, order: dict[str, Any]) -> None:
        running = self.running.setdefault(order["command"], Running())
        threading.Thread(target=self.run, args=(order, running)).start()

    def run(self, order: dict[str, Any], running: Running) -> None:
        """Run one script and report the result until the report is accepted."""
        with self.workers:
            record(order)
            result = execute(order, running)
        self.running.pop(order["command"], None)
        while True:
            try:
                self.call("/agent/result", {"command": order["command"], **result})
                (CURRENT / order["command"]).unlink(missing_ok=True)
                return
            except (OSError, ValueError):
                time.sleep(0.5)

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.endpoint + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=POLL_SECONDS + 10) as response:
            answer: dict[str, Any] = json.loads(response.read())
            return answer


def record(order: dict[str, Any]) -> None:
    """Record that the command was started, and how often."""
    CURRENT.mkdir(parents=True, exist_ok=True)
    order["runs"] = order.get("runs", 0) + 1
    new = CURRENT / f".{order['command']}.new"
    with new.open("w") as file:
        json.dump(order, file)
        file.flush()
        os.fsync(file.fileno())
    new.rename(CURRENT / order["command"])


def interrupted() -> list[dict[str, Any]]:
    """Return the commands that were running when the agent stopped."""
    found = sorted(CURRENT.glob("[!.]*")) if CURRENT.is_dir() else []
    orders: list[dict[str, Any]] = [json.loads(path.read_text()) for path in found]
    return [order for order in orders if order["runs"] < RUNS]


def execute(order: dict[str, Any], running: Running) -> dict[str, Any]:
    """Write the script to a file and run it; return the result."""
    folder = HOME / order["instance"] / "document" / "orchestration" / order["command"] / order["step"]
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "_script.sh"
    script.write_text(order["script"])
    script.chmod(0o700)
    variables = {
        **os.environ,
        **order["variables"],
        "SSM_COMMAND_ID": order["command"],
        "AWS_SSM_INSTANCE_ID": order["instance"],
        "AWS_SSM_REGION_NAME": os.environ["AWS_REGION"],
    }
    with running.lock:
        if not running.cancelled:
            running.process = subprocess.Popen(
                ["sh", "-c", str(script)],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
    process = running.process
    if process is None:
        return {"stdout": "", "stderr": "", "exit_code": -1, "cancelled": True, "timed_out": False}

    def give_up() -> None:
        running.timed_out = True
        running.kill()

    timer = threading.Timer(order["seconds"], give_up)
    timer.start()
    stdout, stderr = process.communicate()
    timer.cancel()
    shutil.rmtree(folder.parent, ignore_errors=True)
    code = process.returncode
    return {
        "stdout": stdout[:MAX_BYTES].decode("utf-8", "replace"),
        "stderr": stderr[:MAX_BYTES].decode("utf-8", "replace"),
        "exit_code": code if code >= 0 else 128 - code,
        "cancelled": running.cancelled,
        "timed_out": running.timed_out,
    }


def platform_information() -> dict[str, str]:
    """Return the host's platform in the fields of DescribeInstanceInformation."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        lines = []
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    return {
        "AgentVersion": VERSION,
        "PlatformName": release.get("NAME", platform.system()).strip('"'),
        "PlatformVersion": release.get("VERSION_ID", "").strip('"'),
    }


if __name__ == "__main__":
    Agent(sys.argv[1]).poll_forever()
