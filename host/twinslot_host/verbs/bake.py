"""The verb bake: watch the new live slot, and roll back automatically when it misbehaves."""

from __future__ import annotations

import contextlib
import os
import time
from typing import NoReturn

from twinslot_host.command.context import Command
from twinslot_host.nginx.control import live_slot, move_traffic, wake_proxy
from twinslot_host.slot.health import HealthStreak, serves
from twinslot_host.slot.releases import find_release
from twinslot_host.slot.state import is_verified, read_content, unreadable
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import remove
from twinslot_host.system.paths import OTHER
from twinslot_host.system.systemd import Unit, both_units, last_lines
from twinslot_host.verbs.flip import after_flip

BAKE_POLL_SECONDS = 0.5
BAKE_ERRORS = 5  # fewer 5xx answers than this never fail a bake


class AccessLog:
    """Reads what nginx logs from now on, at most `at_most` bytes at a time, across rotation."""

    def __init__(self, path: str, at_most: int = 2 * 1024 * 1024) -> None:
        self.path = path
        self.at_most = at_most
        self.file = open(path, "rb")  # noqa: SIM115 - it stays open
        self.file.seek(0, os.SEEK_END)
        self.rest = b""

    def read(self) -> list[bytes]:
        """Return the lines since the last call, of more than `at_most` bytes the newest."""
        size = os.fstat(self.file.fileno()).st_size
        if size < self.file.tell():  # truncated in place
            self.file.seek(0)
        if size - self.file.tell() > self.at_most:
            self.file.seek(size - self.at_most)
            self.file.readline()
            self.rest = b""
        *lines, self.rest = (self.rest + self.file.read(self.at_most)).split(b"\n")
        self.follow()
        return lines

    def follow(self) -> None:
        """Switch to the new file once nginx writes there."""
        with contextlib.suppress(FileNotFoundError):
            new, old = os.stat(self.path), os.fstat(self.file.fileno())
            at_end = old.st_size <= self.file.tell()
            if at_end and new.st_size and not os.path.samestat(new, old):
                self.file.close()
                self.file = open(self.path, "rb")  # noqa: SIM115 - it stays open
                self.rest = b""


def count_errors(lines: list[bytes], slot: str) -> tuple[int, int]:
    """Return how many of these requests went to the slot, and how many of those ended as 5xx."""
    statuses = [
        fields[2]
        for fields in (line.split(b" ", 3) for line in lines)
        if len(fields) == 4 and fields[1] == slot.encode()
    ]
    return len(statuses), sum(status.startswith(b"5") for status in statuses)


def bake(command: Command) -> None:
    """Watch the live slot for `bake_seconds`.

    Raises StepFailed after moving the traffic back if it misbehaves.
    """
    paths, settings = command.paths, command.request.settings
    units = both_units(paths)
    sha256 = command.sha256 = find_release(paths, command.release)
    slot = live_slot(paths)
    content = read_content(paths, slot) if slot else None
    if not slot or not content or content.sha256 != sha256:
        reason = f"{paths.app} {command.release.label} is not live on this host: flip it first"
        raise StepFailed("; ".join(filter(None, [reason, unreadable(paths)])))
    fault = ""
    if not is_verified(paths, slot, units[slot]):
        fault = f"the process of {slot} is not the one that was verified"
    log = AccessLog(paths.access_log)
    deadline = time.monotonic() + settings.bake_seconds
    health = HealthStreak(content, slot)
    requests = errors = 0
    while not fault and time.monotonic() < deadline:
        command.pause(min(BAKE_POLL_SECONDS, max(deadline - time.monotonic(), 0)))
        wake_proxy()
        more, bad = count_errors(log.read(), slot)
        requests, errors = requests + more, errors + bad
        health.ask()
        if not is_verified(paths, slot, units[slot]):
            fault = f"the process of {slot} ended"
        elif health.is_unhealthy:
            fault = f"{content.settings.health_path} gave {health.problem}, {health.bad} times in a row"
        elif errors >= BAKE_ERRORS and errors * 100 > settings.bake_error_percent * requests:
            fault = f"{errors} of {requests} requests ended as 5xx, more than {settings.bake_error_percent} %"
    if fault:
        roll_back(command, slot, units, f"{paths.app} {content.label} in {slot} failed its bake: {fault}")
    after_flip(command, OTHER[slot], False, settings.keep_warm_seconds)


def roll_back(command: Command, slot: str, units: dict[str, Unit], reason: str) -> NoReturn:
    """Move the traffic back to the other slot if that runs verified, and raise StepFailed with the reason.

    The other slot holds what was live here before the flip: the previous release, or another one when this
    host was flipped by hand.
    """
    paths, other = command.paths, OTHER[slot]
    lines = last_lines(units[slot].invocation)
    if not command.request.previous:
        raise StepFailed(f"{reason}; there is no previous release, so the traffic stays", lines)
    content = read_content(paths, other)
    if not content or not serves(paths, other, both_units(paths)[other]):
        raise StepFailed(
            f"{reason}; {other} runs nothing verified, so the traffic stays until a revert", lines
        )
    try:
        move_traffic(command, other)
        # Not before: until now the standby answers the users of a dead process.
        remove(f"{paths.standby}/{other}")
        after_flip(command, slot, True, 0)
    except StepFailed as failure:
        raise StepFailed(f"{reason}; moving the traffic back failed: {failure.reason}", lines) from failure
    raise StepFailed(f"{reason}; the traffic is back on {other} with {content.label}", lines)
