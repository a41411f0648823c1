"""Stopping, starting and verifying a slot."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import NoReturn

from twinslot_host.command.context import Command, step
from twinslot_host.command.request import management_port
from twinslot_host.nginx.control import live_slot
from twinslot_host.slot.environment import keep, read_environment
from twinslot_host.slot.state import (
    HEALTH_SECONDS,
    SlotContent,
    clear_verified,
    health,
    lay_out,
    port_mismatch,
    read_content,
    record_verified,
    write_content,
)
from twinslot_host.system.errors import NotExecuted, StepFailed
from twinslot_host.system.paths import PORTS
from twinslot_host.system.procfs import owner, sockets, started_at
from twinslot_host.system.subprocesses import run
from twinslot_host.system.systemd import Unit, last_lines, show_units

HEALTH_STREAK = 3  # good answers in a row that verify a slot, bad ones that fail a bake
POLL_SECONDS = 0.1


def stop_slot(command: Command, slot: str) -> None:
    """Stops a slot gracefully; systemd kills it after STOP_SECONDS, also if this command is cut meanwhile."""
    clear_verified(command.paths, slot)
    with command.timed("stop"):
        # A list, no shell; the app in the unit's name was checked by read_request, and the PATH is root's.
        stopping = subprocess.Popen(  # noqa: S603
            ["systemctl", "stop", command.paths.unit(slot)],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while stopping.poll() is None:
                command.heed()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    stopping.wait(0.2)
        finally:
            stopping.kill()
            stopping.wait()
    if stopping.returncode:
        raise StepFailed(
            f"systemd could not stop {command.paths.unit(slot)}: see `systemctl status` on the host"
        )
    step(f"stopped {slot}")


def fail_start(command: Command, slot: str, invocation: str, reason: str) -> NoReturn:
    """Ends a start that went wrong: stops the slot unless it is live, and says why, with the last lines."""
    unit = show_units(command.paths.unit(slot))[0]
    # While it runs, the app's last words come before those of its stop. Once it ended, systemd's come last.
    lines = last_lines(invocation) if started_at(unit.pid) else []
    if slot != live_slot(command.paths):
        with contextlib.suppress(NotExecuted):
            stop_slot(command, slot)
    raise StepFailed(reason, lines or last_lines(invocation))


def start_slot(command: Command, slot: str) -> None:
    """Starts what the slot holds, which must not run, and verifies it. Its environment is the one that it was
    staged with, or as it is now where that is gone: a slot that was retired is started once more."""
    paths = command.paths
    content = read_content(paths, slot)
    assert content
    if not content.environment or not os.path.exists(paths.kept(content.environment)):
        text = command.steadily(lambda: read_environment(paths.app))
        content = content._replace(environment=keep(paths, text))
        write_content(paths, slot, content)
    lay_out(paths, slot, content)
    for port in filter(None, (PORTS[slot], management_port(content.settings, slot))):
        squatter = owner(port)
        if squatter:
            raise StepFailed(
                f"port {port} of the slot {slot} is taken by {squatter}: stop it, then upload again"
            )
    unit = paths.unit(slot)
    run("systemctl", "reset-failed", unit)
    began = time.monotonic()
    started = run("systemctl", "start", unit)
    shown = show_units(unit)[0]
    if started.code:
        fail_start(command, slot, shown.invocation, f"systemd could not start {unit}")
    step(f"started {slot}")
    verify(command, slot, shown, began)


def verify(command: Command, slot: str, unit: Unit, began: float) -> None:
    """Waits until the process of this slot serves what the slot holds: it lives, did not restart, runs this
    jar, owns this port, and is well several times running. Trouble, at once, when the process ends."""
    paths, request = command.paths, command.request
    content = read_content(paths, slot)
    assert content
    what = f"{paths.app} {content.label} in {slot}"
    birth, streak = started_at(unit.pid), 0
    deadline = began + request.settings.start_seconds
    with command.timed("start"):
        while streak < HEALTH_STREAK:
            if not birth or started_at(unit.pid) != birth:
                after = f"{time.monotonic() - began:.1f} s after its start"
                fail_start(command, slot, unit.invocation, f"the process of {what} ended {after}")
            answer = health(
                content, slot, min(HEALTH_SECONDS, max(deadline - time.monotonic(), POLL_SECONDS))
            )
            streak = 0 if answer else streak + 1
            if answer and time.monotonic() > deadline:
                fail_start(command, slot, unit.invocation, not_well(command, content, slot, unit, answer))
            if streak < HEALTH_STREAK:
                command.pause(POLL_SECONDS)
    again = show_units(paths.unit(slot))[0]
    if (again.state, again.pid, again.restarts) != ("active", unit.pid, unit.restarts):
        fail_start(command, slot, unit.invocation, f"the process of {what} did not last its verification")
    mistake = port_mismatch(paths, slot, content, unit.pid)
    if mistake:
        fail_start(command, slot, unit.invocation, f"{what} is not served: {mistake}")
    record_verified(paths, slot, content, unit.pid)
    step(f"verified {slot}")


def not_well(command: Command, content: SlotContent, slot: str, unit: Unit, answer: str) -> str:
    """Why a start ran out of time, with the hint that most often helps."""
    port = management_port(content.settings, slot) or PORTS[slot]
    seconds = command.request.settings.start_seconds
    text = f"{command.paths.app} {content.label} in {slot} was not well within {seconds} s: "
    text += f"{content.settings.health_path} on port {port} gave {answer}"
    if not sockets(port, "0A"):
        text += "; nothing listens there: does the app obey SERVER_PORT?"
    return text
