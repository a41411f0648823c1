"""The sandbox's agent runs a script as amazon-ssm-agent does."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lab.sandbox.hosts import ssm_agent
from lab.sandbox.hosts.ssm_agent import Running, execute
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ssm_agent, "HOME", tmp_path)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    return tmp_path


def _order(script: str, seconds: float = 10) -> dict[str, Any]:
    variables = {"SSM_verb": "flip; reboot"}
    return {
        "command": "c-1",
        "instance": "i-1",
        "step": "s",
        "script": script,
        "variables": variables,
        "seconds": seconds,
    }


def test_the_first_line_says_who_runs_the_script() -> None:
    result = execute(_order("#!/usr/bin/env python3\nprint(6 * 7)"), Running())

    assert (result["stdout"], result["exit_code"]) == ("42\n", 0)


def test_without_one_the_shell_does() -> None:
    assert execute(_order("echo a | tr a b; exit 3"), Running()) == {
        "stdout": "b\n",
        "stderr": "",
        "exit_code": 3,
        "cancelled": False,
        "timed_out": False,
    }


def test_parameters_and_the_command_come_by_environment_and_are_never_pasted() -> None:
    script = 'echo "$SSM_verb|$SSM_COMMAND_ID|$AWS_SSM_INSTANCE_ID|$AWS_SSM_REGION_NAME"'

    assert execute(_order(script), Running())["stdout"] == "flip; reboot|c-1|i-1|eu-central-1\n"


def test_a_script_and_its_children_are_killed_when_their_time_is_up(home: Path) -> None:
    result = execute(_order(f"sleep 3600 & echo $! > {home}/child; wait", seconds=0.5), Running())

    assert result["timed_out"]
    assert result["exit_code"] == 137
    assert _is_gone(int((home / "child").read_text()))


def test_a_cancelled_script_is_killed(home: Path) -> None:
    running = Running()
    results: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: results.append(execute(_order(f"touch {home}/up; sleep 60"), running))
    )
    thread.start()
    wait_until((home / "up").exists)

    running.cancelled = True
    running.kill()
    thread.join(10)

    assert results[0]["cancelled"]


def test_what_was_cancelled_before_it_began_never_runs(home: Path) -> None:
    running = Running()
    running.cancelled = True

    result = execute(_order(f"touch {home}/up"), running)

    assert result["cancelled"]
    assert not (home / "up").exists()


def test_no_script_is_left_behind(home: Path) -> None:
    execute(_order("true"), Running())

    assert list(home.rglob("_script.sh")) == []


def _is_gone(pid: int) -> bool:
    """Whether the process ended; init might not have reaped it yet."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False
