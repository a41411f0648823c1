"""The verb provision, with which stage begins, too: prepare the host."""

from __future__ import annotations

import os
import pwd
import re
import sys

from twinslot.shared.constants import PORTS

from twinslot_host.command.context import Command, log_step
from twinslot_host.nginx.applied_settings import applied_settings, record_settings
from twinslot_host.nginx.control import clear_default_site, ensure_proxy
from twinslot_host.runtime.java import need
from twinslot_host.runtime.packages import NGINX, Need, ensure
from twinslot_host.slot.environment import write_empty_environment
from twinslot_host.slot.state import link_java, read_content
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import write_ballast, write_file
from twinslot_host.system.subprocesses import check_run
from twinslot_host.system.systemd import show_units, unit_files
from twinslot_host.verbs.takeover_guard import refuse_interruption


def provision(command: Command) -> None:
    """Prepare the machine and, where there is one, the app.

    Java is that of the settings, or any: a jar can need another version when it is staged. A command without
    settings, such as the one that doctor prints, keeps those that nginx was configured with.
    """
    settings = applied_settings(command.paths, command.request)
    command.request = command.request._replace(settings=settings)
    java = need(settings.java)
    if command.paths.app:
        prepare(command, NGINX, java)
    else:
        ensure(command, NGINX, java)
        clear_default_site()


def prepare(command: Command, *needs: Need) -> None:
    """Install what is needed: packages, the user, the units, this program for the timer, the site.

    Idempotent.
    """
    paths = command.paths
    for name in sorted(os.listdir(paths.conf_d)) if os.path.isdir(paths.conf_d) else []:
        if re.fullmatch(r"twinslot-.+\.conf", name) and name != os.path.basename(paths.conf):
            raise StepFailed(
                f"this host already serves {name[9:-5]}, and its ports {list(PORTS.values())} serve one app"
            )
    refuse_interruption(paths, command.request.settings)
    ensure(command, *needs)
    try:
        pwd.getpwnam(paths.user())
    except KeyError:
        check_run(
            "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", paths.work,
            "--shell", "/usr/sbin/nologin", paths.user(),
        )  # fmt: skip
        log_step("created the user")
    for folder in (paths.releases, paths.slots, paths.live, paths.acme, paths.standby, paths.verified):
        os.makedirs(folder, mode=0o755, exist_ok=True)
    write_ballast(paths.state)
    with open(sys.argv[0], encoding="utf-8") as own:
        write_file(paths.program, own.read(), 0o755)
    for slot in PORTS:
        content = read_content(paths, slot)
        if content:
            link_java(paths, slot, content)
            write_empty_environment(paths, slot)
    files = unit_files(paths)
    changed = [path for path, text in files.items() if write_file(path, text)]
    if changed:
        log_step("wrote the units")
    timer = paths.retire_unit + ".timer"
    *slots, timer_unit, nginx = show_units(*map(paths.unit, PORTS), timer, "nginx.service")
    if changed or any(unit.stale for unit in (*slots, timer_unit, nginx)):
        check_run("systemctl", "daemon-reload")
    if not timer_unit.enabled:
        check_run("systemctl", "enable", "--no-reload", timer)
    ensure_proxy(command, nginx)
    record_settings(paths, command.request.settings)
