"""Checks of what runs this program: the SSM agent and Python."""

from __future__ import annotations

import re
import shutil
import sys

from twinslot_host.doctor.check import Checks, Verdict
from twinslot_host.doctor.host import Host
from twinslot_host.system.subprocesses import run

AGENTS = ("amazon-ssm-agent", "/snap/amazon-ssm-agent/current/amazon-ssm-agent")
OLDEST_AGENT = (3, 3, 2746, 0)  # the first that passes parameters in the environment
OLDEST_PYTHON = (3, 9)

check = Checks()


def agent_version(host: Host) -> str:
    """Return the version of the agent on the disk; empty: unknown."""
    program = next(filter(None, map(shutil.which, AGENTS)), None)
    output = run(program, "-version", timeout=10).output if program else ""
    return next(iter(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", output)), "")


@check("agent", agent_version)
def judge_agent(version: str, app: str) -> Verdict:
    """The running agent passes parameters in the environment, or this program would not have started.

    The version on the disk is the one that runs after the agent's next restart.
    """
    if not version:
        return True, "new enough: it passed the parameters in the environment", ""
    numbers = tuple(map(int, version.split(".")))
    return (
        numbers >= OLDEST_AGENT,
        f"amazon-ssm-agent {version}; {'.'.join(map(str, OLDEST_AGENT))} or later is needed",
        f"aws ssm send-command --document-name AWS-UpdateSSMAgent --targets Key=tag:twinslot,Values={app}",
    )


def python_version(host: Host) -> tuple[int, ...]:
    """Return the version of this interpreter."""
    return tuple(sys.version_info[:3])


@check("python", python_version)
def judge_python(version: tuple[int, ...], app: str) -> Verdict:
    """This program needs Python 3.9."""
    return (
        version >= OLDEST_PYTHON,
        f"Python {'.'.join(map(str, version))}; 3.9 or later is needed",
        "sudo dnf install python3 || sudo apt-get install python3",
    )
