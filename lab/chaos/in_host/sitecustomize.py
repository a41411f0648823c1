"""Runs in a host before the product's program: the agent's environment has it on Python's path.

Each step that the program logs to syslog, and each file that it opens for writing, is a place. It is recorded
in HOME/seen, and when HOME/rule.json names it, the rule is carried out at once, and once only. HOME does not
survive a reboot.

    {"step": "stage", "kind": "did" | "write", "name": "placed the release", "kill": true, "run": ["reboot"]}

A rule's `run` gets the path that is about to be written as its last argument. HOME/clock has the seconds by
which the program's clock is wrong.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import re
import signal
import subprocess
import syslog
import time
from typing import Any

HOME = "/run/chaos"
STEP = os.environ.get("SSM_step", "")  # noqa: SIM112 - the agent names it after the document's parameter
WATCHED = ("/opt/twinslot", "/var/lib/twinslot", "/run/twinslot", "/etc/")

real_open, real_os_open, real_syslog = open, os.open, syslog.syslog
real_time, real_gmtime = time.time, time.gmtime
passed: dict[tuple[str, str], int] = {}


def plain(name: str) -> str:
    """Return a place's name without slots, digests and numbers, so that it is the same in every
    deployment."""
    name = re.sub(r"/\.([^/]+)\.new$", r"/\1", name)
    name = re.sub(r"releases/[0-9a-f]{12}", "releases/RELEASE", name)
    return re.sub(r"\d+", "N", re.sub(r"\b(blue|green)\b", "SLOT", name))


def note(kind: str, name: str, path: str = "") -> None:
    """Record a place that was reached, and carry out its rule."""
    name = plain(name)
    count = passed[kind, name] = passed.get((kind, name), 0) + 1
    if count > 1:
        name = f"{name} again" if count == 2 else f"{name} again {count - 1}"
    handle = real_os_open(HOME + "/seen", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(handle, f"{STEP}\t{kind}\t{name}\n".encode())
    os.close(handle)
    with contextlib.suppress(FileNotFoundError):
        with real_open(HOME + "/rule.json") as file:
            rule = json.load(file)
        if (rule["step"], rule["kind"], rule["name"]) == (STEP, kind, name):
            os.rename(HOME + "/rule.json", HOME + "/injected.json")
            if rule["run"]:
                subprocess.run([*rule["run"], path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            if rule["kill"]:
                os.killpg(0, signal.SIGKILL)


def is_written(path: str) -> bool:
    return path.startswith(WATCHED) and not path.endswith(".lock")


def noting_open(path: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
    if set(mode) & set("wxa") and is_written(str(path)):
        note("write", str(path), str(path))
    return real_open(path, mode, *rest, **named)


def noting_os_open(path: Any, flags: int, *rest: Any, **named: Any) -> int:
    if flags & os.O_CREAT and is_written(str(path)):
        note("write", str(path), str(path))
    return real_os_open(path, flags, *rest, **named)


def noting_syslog(*message: Any) -> None:
    real_syslog(*message)
    note("did", message[-1])


def shift_clock(offset: float) -> None:
    def gmtime(seconds: float | None = None) -> time.struct_time:
        return real_gmtime(real_time() + offset if seconds is None else seconds)

    for name, shifted in {"time": lambda: real_time() + offset, "gmtime": gmtime}.items():
        setattr(time, name, shifted)


if STEP and os.path.isdir(HOME):
    for module, name, noting in (
        (builtins, "open", noting_open),
        (os, "open", noting_os_open),
        (syslog, "syslog", noting_syslog),
    ):
        setattr(module, name, noting)
    with contextlib.suppress(FileNotFoundError), real_open(HOME + "/clock") as clock:
        shift_clock(float(clock.read()))
    note("did", "began")
