"""The timer's verb retire: stop the idle slot once its time is over."""

from __future__ import annotations

import time

from twinslot.shared.constants import PORTS

from twinslot_host.command.context import Command, log_step
from twinslot_host.nginx.control import idle_slot
from twinslot_host.slot.process import stop_slot
from twinslot_host.slot.releases import prune
from twinslot_host.slot.state import clear_verified, forget_unused_environments, read_content, write_content
from twinslot_host.system.files import read_text, remove, write_file
from twinslot_host.system.procfs import sockets
from twinslot_host.system.subprocesses import check_run

DRAIN_SECONDS = 300.0  # how long a slot waits for its last connections after its time is over


def retire_after(command: Command, seconds: float) -> None:
    """Let the idle slot run this much longer, also across a reboot."""
    write_file(command.paths.retire_at, str(int(time.time() + seconds)))
    check_run("systemctl", "start", command.paths.retire_unit + ".timer")
    log_step(f"the idle slot has {seconds:.0f} s left")


def retire(command: Command) -> None:
    """Stop the idle slot once its time is over and its last connection closed."""
    paths = command.paths
    due, old = read_text(paths.retire_at), idle_slot(paths)
    if due is None:
        check_run("systemctl", "stop", paths.retire_unit + ".timer")
        return
    if time.time() < float(due):
        return
    clear_verified(paths, old)
    if sockets(PORTS[old], "01") and time.time() < float(due) + DRAIN_SECONDS:
        return
    check_run("systemctl", "disable", "--no-reload", paths.unit(old))
    stop_slot(command, old)
    prune(paths)
    content = read_content(paths, old)
    if content:
        write_content(paths, old, content._replace(environment=None))
    forget_unused_environments(paths)
    remove(paths.retire_at)
    log_step(f"retired {old}")
    check_run("systemctl", "stop", paths.retire_unit + ".timer")
