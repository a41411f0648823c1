"""The verb provision, with which staging begins too."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sys

from twinslot_host.command import Command, step
from twinslot_host.files import lay_ballast, write_file
from twinslot_host.packages import ensure_programs
from twinslot_host.places import PORTS
from twinslot_host.programs import must
from twinslot_host.proxy import clear_default_site, ensure_proxy
from twinslot_host.trouble import Trouble
from twinslot_host.units import show_units, unit_files


def provision(command: Command) -> None:
    """nginx, java, the user, the units, this program for the timer, the proxy. A repeat changes nothing.

    Without an app there are only nginx and java, and no site that would answer for one."""
    places = command.places
    if not places.app:
        ensure_programs(command)
        clear_default_site()
        return
    for name in sorted(os.listdir(places.conf_d)) if os.path.isdir(places.conf_d) else []:
        if re.fullmatch(r"twinslot-.+\.conf", name) and name != os.path.basename(places.conf):
            raise Trouble(
                f"this host serves {name[9:-5]} already, and ports {list(PORTS.values())} allow but one app"
            )
    ensure_programs(command)
    try:
        pwd.getpwnam(places.user())
    except KeyError:
        must(
            "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", places.work,
            "--shell", "/usr/sbin/nologin", places.user(),
        )  # fmt: skip
        step("made the user")
    for folder in (places.releases, places.slots, places.live, places.standby, places.verified):
        os.makedirs(folder, mode=0o755, exist_ok=True)
    lay_ballast(places.state)
    with open(sys.argv[0], encoding="utf-8") as own:
        write_file(places.program, own.read(), 0o755)
    files = unit_files(places, shutil.which("java") or "java")
    changed = [path for path, text in files.items() if write_file(path, text)]
    if changed:
        step("wrote the units")
    timer = places.retire_unit + ".timer"
    *slots, timer_unit, nginx = show_units(*map(places.unit, PORTS), timer, "nginx.service")
    if changed or any(unit.stale for unit in (*slots, timer_unit, nginx)):
        must("systemctl", "daemon-reload")
    if not timer_unit.enabled:
        must("systemctl", "enable", "--no-reload", timer)
    ensure_proxy(command, nginx)
