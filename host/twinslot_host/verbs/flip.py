"""The verb flip: move the traffic to the slot that holds the release."""

from __future__ import annotations

import os
import time

from twinslot_host.command.context import Command, log_step
from twinslot_host.nginx.control import live_slot, move_traffic, wake_proxy
from twinslot_host.slot.health import serves
from twinslot_host.slot.process import start_slot, stop_slot, verify
from twinslot_host.slot.releases import find_release
from twinslot_host.slot.state import clear_verified, is_verified, slot_of, unreadable
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import remove, write_file
from twinslot_host.system.paths import OTHER
from twinslot_host.system.procfs import EXPENDABLE, SPARED, set_oom_score
from twinslot_host.system.subprocesses import check_run
from twinslot_host.system.systemd import Unit, both_units, show_units
from twinslot_host.verbs.retire import retire_after

UNBAKED_SECONDS = 60  # the time between a flip and its bake, added to the time of the idle slot


def flip(command: Command) -> None:
    """Move the traffic to the slot that holds the release, once it runs the release verified."""
    paths, request = command.paths, command.request
    units = both_units(paths)
    sha256 = find_release(paths, command.release)
    command.sha256 = sha256
    slot = slot_of(command, sha256, units) if sha256 else None
    if not slot:
        reason = f"no slot of this host holds {paths.app} {command.release.label}: stage it first"
        raise StepFailed("; ".join(filter(None, [reason, unreadable(paths)])))
    if not serves(paths, slot, units[slot]):
        ensure_serving(command, slot, units[slot])
    if not units[slot].enabled:
        check_run("systemctl", "enable", "--no-reload", paths.unit(slot))
    failed = request.step.startswith("revert")
    pointer = wake_proxy()
    if live_slot(paths) != slot or not pointer or pointer.slot != slot:
        if not failed:
            # Before the flip: a release can die in the moment that it gets traffic.
            mark_standby(command, OTHER[slot], units[OTHER[slot]])
        move_traffic(command, slot)
    # Not before: where the live process has died, its standby serves until now.
    remove(f"{paths.standby}/{slot}")
    seconds = request.settings.bake_seconds + UNBAKED_SECONDS + request.settings.keep_warm_seconds
    after_flip(command, OTHER[slot], failed, seconds)


def ensure_serving(command: Command, slot: str, unit: Unit) -> None:
    """Make a slot run what it holds, verified.

    A process that was never verified, such as one that the boot started, is verified now. One that was
    verified and is unhealthy now is replaced, unless it is live.
    """
    paths = command.paths
    running = unit.state == "active" and unit.pid
    if running and (not is_verified(paths, slot, unit) or live_slot(paths) == slot):
        verify(command, slot, unit, time.monotonic())
    else:
        stop_slot(command, slot)
        start_slot(command, slot)


def mark_standby(command: Command, slot: str, unit: Unit) -> None:
    """Make the slot a hot standby if it serves: nginx uses it when the live process dies.

    The flag has no effect while the slot itself is live.
    """
    flag = f"{command.paths.standby}/{slot}"
    if serves(command.paths, slot, unit) and not os.path.exists(flag):
        write_file(flag, "")
        log_step(f"{slot} is the standby")


def after_flip(command: Command, slot: str, failed: bool, warm_seconds: float) -> None:
    """Keep the other slot warm and as a standby after a flip, or let it stop soon when its release failed."""
    paths = command.paths
    unit, live = show_units(paths.unit(slot), paths.unit(OTHER[slot]))
    set_oom_score(live.pid, SPARED)
    set_oom_score(unit.pid, EXPENDABLE)
    if unit.state == "inactive" and not unit.enabled:
        return
    if failed:
        clear_verified(paths, slot)
    else:
        mark_standby(command, slot, unit)
    retire_after(command, 0 if failed else warm_seconds)
