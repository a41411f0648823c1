"""Runs programs of the host."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple

from twinslot_host.system.errors import StepFailed


class Ran(NamedTuple):
    """A program's exit code, and its output on stdout and stderr together."""

    code: int
    output: str


def run(*command: str, timeout: float = 90.0, **environment: str) -> Ran:
    """Run a program to its end. Raises StepFailed when it is not installed or runs into the timeout.

    It gets pipes of its own: a child that keeps our output open would keep the whole command open.
    """
    try:
        # A list, no shell: each word is one argument, validated by read_request where it is not our own.
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
    """Run a program and return its output. Raises StepFailed when its exit code is not 0."""
    ran = run(*command, timeout=timeout, **environment)
    if ran.code:
        last = ran.output.strip().splitlines()[-1:] or ["no output"]
        raise StepFailed(f"`{' '.join(command)}` failed with {ran.code}: {last[0]}")
    return ran.output
