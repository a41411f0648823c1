"""The verb provision, with which staging begins too."""

from __future__ import annotations

import os
import pwd
import re
import sys

from twinslot_host.command.context import Command, step
from twinslot_host.nginx.applied_settings import keep_settings, settings_of
from twinslot_host.nginx.control import clear_default_site, ensure_proxy
from twinslot_host.runtime.java import need
from twinslot_host.runtime.packages import NGINX, Need, ensure
from twinslot_host.slot.environment import lay_none
from twinslot_host.slot.state import lay_java, read_held
from twinslot_host.system.errors import Trouble
from twinslot_host.system.files import lay_ballast, write_file
from twinslot_host.system.paths import PORTS
from twinslot_host.system.subprocesses import must
from twinslot_host.system.systemd import show_units, unit_files
from twinslot_host.verbs.takeover_guard import spare_users


def provision(command: Command) -> None:
    """The machine, and the app's place on it. Java is the one of the settings, or any: a jar may ask for
    another one when it is staged. Without an app there is no site either that would answer for one.

    Who gives no settings (a person who types what doctor says) means those that users are served with."""
    settings = settings_of(command.places, command.request)
    command.request = command.request._replace(settings=settings)
    java = need(settings.java)
    if command.places.app:
        prepare(command, NGINX, java)
    else:
        ensure(command, NGINX, java)
        clear_default_site()


def prepare(command: Command, *needs: Need) -> None:
    """What is needed, the user, the units, this program for the timer, the proxy. Again changes nothing."""
    places = command.places
    for name in sorted(os.listdir(places.conf_d)) if os.path.isdir(places.conf_d) else []:
        if re.fullmatch(r"twinslot-.+\.conf", name) and name != os.path.basename(places.conf):
            raise Trouble(
                f"this host serves {name[9:-5]} already, and ports {list(PORTS.values())} allow but one app"
            )
    spare_users(places, command.request.settings)
    ensure(command, *needs)
    try:
        pwd.getpwnam(places.user())
    except KeyError:
        must(
            "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", places.work,
            "--shell", "/usr/sbin/nologin", places.user(),
        )  # fmt: skip
        step("made the user")
    for folder in (places.releases, places.slots, places.live, places.acme, places.standby, places.verified):
        os.makedirs(folder, mode=0o755, exist_ok=True)
    lay_ballast(places.state)
    with open(sys.argv[0], encoding="utf-8") as own:
        write_file(places.program, own.read(), 0o755)
    for slot in PORTS:
        held = read_held(places, slot)
        if held:
            lay_java(places, slot, held)
            lay_none(places, slot)
    files = unit_files(places)
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
    keep_settings(places, command.request.settings)
