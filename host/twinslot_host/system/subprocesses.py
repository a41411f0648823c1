"""Programs of the host that are run to their end."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple

from twinslot_host.system.errors import StepFailed


class Ran(NamedTuple):
    """A program's exit code, and what it wrote to both of its outputs."""

    code: int
    output: str


def run(*command: str, timeout: float = 90.0, **environment: str) -> Ran:
    """Runs a program to its end. It gets pipes of its own: one that holds our output open would keep the
    whole command open."""
    try:
        # A list, no shell: each word is an argument, and what is not our own was checked by read_request.
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env=dict(os.environ, LC_ALL="C", **environment),
        )
    except FileNotFoundError as error:
        raise StepFailed(f"{command[0]} is not installed on this host") from error
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"`{' '.join(command)}` took more than {timeout:.0f} s") from error
    return Ran(done.returncode, done.stdout.decode("utf-8", "replace"))


def check_run(*command: str, timeout: float = 90.0, **environment: str) -> str:
    """Runs a program that has to succeed, and returns its output."""
    ran = run(*command, timeout=timeout, **environment)
    if ran.code:
        last = ran.output.strip().splitlines()[-1:] or ["it said nothing"]
        raise StepFailed(f"`{' '.join(command)}` failed with {ran.code}: {last[0]}")
    return ran.output
