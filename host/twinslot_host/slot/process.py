"""Stop, start and verify the process of a slot."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import NoReturn

from twinslot.shared.constants import PORTS

from twinslot_host.command.context import Command, log_step
from twinslot_host.command.request import management_port
from twinslot_host.nginx.control import live_slot
from twinslot_host.slot.environment import keep, read_environment
from twinslot_host.slot.health import HEALTH_SECONDS, HealthStreak, health_port
from twinslot_host.slot.state import (
    SlotContent,
    clear_verified,
    port_mismatch,
    read_content,
    record_verified,
    write_content,
    write_start_files,
)
from twinslot_host.system.errors import NotExecuted, StepFailed
from twinslot_host.system.procfs import owner, sockets, started_at
from twinslot_host.system.subprocesses import run
from twinslot_host.system.systemd import Unit, last_lines, show_units

POLL_SECONDS = 0.1


def stop_slot(command: Command, slot: str) -> None:
    """Stop a slot gracefully; systemd kills it after STOP_SECONDS, also if this command is killed."""
    clear_verified(command.paths, slot)
    with command.timed("stop"):
        # A list, no shell; the app in the unit's name was validated by read_request, and the PATH is root's.
        stopping = subprocess.Popen(  # noqa: S603
            ["systemctl", "stop", command.paths.unit(slot)],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while stopping.poll() is None:
                command.check_fence()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    stopping.wait(0.2)
        finally:
            stopping.kill()
            stopping.wait()
    if stopping.returncode:
        raise StepFailed(
            f"systemd could not stop {command.paths.unit(slot)}: see `systemctl status` on the host"
        )
    log_step(f"stopped {slot}")


def fail_start(command: Command, slot: str, invocation: str, reason: str) -> NoReturn:
    """Stop the slot, unless it is live, and raise StepFailed with the reason and the last journal lines."""
    unit = show_units(command.paths.unit(slot))[0]
    # While it runs, read the app's last lines before its stop adds others. Once it has ended, systemd's
    # come last.
    lines = last_lines(invocation) if started_at(unit.pid) else []
    if slot != live_slot(command.paths):
        with contextlib.suppress(NotExecuted):
            stop_slot(command, slot)
    raise StepFailed(reason, lines or last_lines(invocation))


def start_slot(command: Command, slot: str) -> None:
    """Start what the slot holds, which must not run, and verify it.

    It gets the environment that it was staged with, or, when a retired slot is started again, the current
    one.
    """
    paths = command.paths
    content = read_content(paths, slot)
    assert content
    if not content.environment or not os.path.exists(paths.kept(content.environment)):
        text = command.with_retries(lambda: read_environment(paths.app))
        content = content._replace(environment=keep(paths, text))
        write_content(paths, slot, content)
    write_start_files(paths, slot, content)
    for port in filter(None, (PORTS[slot], management_port(content.settings, slot))):
        occupant = owner(port)
        if occupant:
            raise StepFailed(
                f"port {port} of the slot {slot} is taken by {occupant}: stop it, then upload the jar again"
            )
    unit = paths.unit(slot)
    run("systemctl", "reset-failed", unit)
    began = time.monotonic()
    started = run("systemctl", "start", unit)
    shown = show_units(unit)[0]
    if started.code:
        fail_start(command, slot, shown.invocation, f"systemd could not start {unit}")
    log_step(f"started {slot}")
    verify(command, slot, shown, began)


def verify(command: Command, slot: str, unit: Unit, began: float) -> None:
    """Wait until the slot's process serves what the slot holds, and record it as verified.

    It must be healthy several times in a row, not restart, run the slot's jar and own the slot's port. Raises
    StepFailed when it ends, or is not healthy `start_seconds` after `began` (a time of time.monotonic).
    """
    paths, request = command.paths, command.request
    content = read_content(paths, slot)
    assert content
    what = f"{paths.app} {content.label} in {slot}"
    birth, streak = started_at(unit.pid), HealthStreak(content, slot)
    deadline = began + request.settings.start_seconds
    with command.timed("start"):
        while not streak.is_healthy:
            if not birth or started_at(unit.pid) != birth:
                after = f"{time.monotonic() - began:.1f} s after its start"
                fail_start(command, slot, unit.invocation, f"the process of {what} ended {after}")
            streak.ask(min(HEALTH_SECONDS, max(deadline - time.monotonic(), POLL_SECONDS)))
            if streak.problem and time.monotonic() > deadline:
                reason = unhealthy_reason(command, content, slot, streak.problem)
                fail_start(command, slot, unit.invocation, reason)
            if not streak.is_healthy:
                command.pause(POLL_SECONDS)
    again = show_units(paths.unit(slot))[0]
    if (again.state, again.pid, again.restarts) != ("active", unit.pid, unit.restarts):
        fail_start(command, slot, unit.invocation, f"the process of {what} ended during its verification")
    mistake = port_mismatch(paths, slot, content, unit.pid)
    if mistake:
        fail_start(command, slot, unit.invocation, f"{what} is not served: {mistake}")
    record_verified(paths, slot, content, unit.pid)
    log_step(f"verified {slot}")


def unhealthy_reason(command: Command, content: SlotContent, slot: str, problem: str) -> str:
    """Return the reason of a start that ran into its timeout, with the most frequent cause as a hint."""
    port, seconds = health_port(content, slot), command.request.settings.start_seconds
    text = f"{command.paths.app} {content.label} in {slot} did not become healthy within {seconds} s: "
    text += f"{content.settings.health_path} on port {port} gave {problem}"
    if not sockets(port, "0A"):
        text += "; nothing listens there: does the app use SERVER_PORT?"
    return text
