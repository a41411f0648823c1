"""nginx: configured, asked where it sends users, and pointed to a slot."""

from __future__ import annotations

import hashlib
import os
import time
from typing import NamedTuple

from twinslot_host.command.context import Command, step
from twinslot_host.command.request import Settings
from twinslot_host.nginx.certificate import check_certificate
from twinslot_host.nginx.config import LIVE_PATH, configuration, http2_syntax
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import read_text, remove, write_file
from twinslot_host.system.http import ask
from twinslot_host.system.paths import OTHER, PORTS, Paths
from twinslot_host.system.procfs import owner
from twinslot_host.system.subprocesses import check_run, run
from twinslot_host.system.systemd import Unit

PROXY_SECONDS = 5.0  # how long nginx may take to answer as configured


class Pointer(NamedTuple):
    """What nginx itself answers: the slot and the upstream group that users get, and its configuration."""

    slot: str
    group: str
    digest: str


def ask_proxy() -> Pointer | None:
    """Where nginx sends users, asked through the server that they take. None: it is not ours, or silent."""
    answer = ask(80, LIVE_PATH, 2.0)
    words = answer.text.split()
    if answer.status == 200 and len(words) == 3 and words[0] in PORTS:
        return Pointer(*words)
    return None


def pristine_default_site() -> str | None:
    """Debian's default site, enabled and unchanged: it claims port 80 as its own. None where it is absent,
    or where somebody made it theirs."""
    link, file = "/etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default"
    if not os.path.islink(link) or os.path.realpath(link) != file:
        return None
    with open(file, "rb") as content:
        # What dpkg knows files by. Hosts under FIPS have it for such uses alone.
        md5 = hashlib.md5(content.read(), usedforsecurity=False).hexdigest()
    known = run("dpkg-query", "--show", "--showformat=${Conffiles}\n", "nginx-common", "nginx")
    return link if f" {file} {md5}" in known.output else None


def clear_default_site() -> None:
    """Takes Debian's default site away, as ensure_proxy does when an app comes: its welcome would tell a load
    balancer that all is well here. Amazon Linux starts nothing that it installs."""
    site = pristine_default_site()
    if site:
        remove(site)
        check_run("systemctl", "try-reload-or-restart", "nginx.service")
        step("took the default site away")


def planned(paths: Paths, settings: Settings) -> tuple[str, str]:
    """The configuration that this host's nginx is to have, and its digest. Trouble: it cannot serve TLS."""
    http2 = ""
    if settings.tls_certificate and settings.tls_key:
        check_certificate(settings.tls_certificate, settings.tls_key)
        squatter = owner(443)
        if squatter and "(nginx)" not in squatter:
            raise StepFailed(f"port 443, which nginx needs for TLS, is taken by {squatter}: stop it")
        http2 = http2_syntax(check_run("nginx", "-V"))
    return configuration(paths, settings, os.path.exists("/proc/net/if_inet6"), http2)


def ensure_proxy(command: Command, unit: Unit) -> None:
    """Sees to it that nginx runs our configuration. It is reloaded only if it does not; if nginx rejects
    the new one, or does not come to run it, the old one comes back."""
    paths = command.paths
    text, digest = planned(paths, command.request.settings)
    old = read_text(paths.conf)
    pointer = ask_proxy()
    if old == text and pointer and pointer.digest == digest and unit.enabled:
        return
    default_site = pristine_default_site()
    target = os.readlink(default_site) if default_site else ""
    if default_site:
        remove(default_site)
    write_file(paths.conf, text)
    try:
        checked = run("nginx", "-t")
        if checked.code:
            lines = checked.output.strip().splitlines()
            why = ([line for line in lines if "[emerg]" in line] or lines or ["no word"])[0]
            raise StepFailed(
                f"nginx rejects its configuration, so nothing was changed; `nginx -t` says: {why}"
            )
        step("configured nginx")
        if not unit.enabled:
            check_run("systemctl", "enable", "--no-reload", "nginx.service")
        if old != text or not (pointer and pointer.digest == digest):  # nginx may run what somebody added
            load(unit, digest)
    except StepFailed:
        if old is None:
            remove(paths.conf)
        else:
            write_file(paths.conf, old)
        if default_site:
            os.symlink(target, default_site)
        raise


def load(unit: Unit, digest: str) -> None:
    """Makes nginx run the configuration with this digest. Trouble: it does not come to."""
    started = run("systemctl", "reload-or-restart" if unit.state == "active" else "start", "nginx.service")
    deadline = time.monotonic() + PROXY_SECONDS
    pointer = ask_proxy()
    while not (pointer and pointer.digest == digest):
        if started.code or time.monotonic() > deadline:
            ran = run("systemctl", "status", "--no-pager", "--lines=10", "nginx.service")
            raise StepFailed(
                "nginx does not answer on port 80 with its new configuration", ran.output.splitlines()
            )
        time.sleep(0.02)
        pointer = ask_proxy()
    step("loaded the configuration of nginx")


def wake_proxy() -> Pointer | None:
    """Where nginx sends users, once it was started if it was silent: until the bake is over, that it was
    stopped is no reason to leave users without an answer."""
    pointer = ask_proxy()
    if pointer:
        return pointer
    if run("systemctl", "start", "nginx.service").code == 0:
        step("started nginx")
    return ask_proxy()


def live_slot(paths: Paths) -> str | None:
    """The slot that nginx sends users to, by the file that it asks. None: nothing was ever flipped.

    Nothing flipped and blue being live both show as no flag. They differ by what blue holds: the first
    release of all is staged in green, so blue gets its first one only while green is live.
    """
    if os.path.exists(paths.green):
        return "green"
    return "blue" if os.path.exists(paths.content("blue")) else None


def idle_slot(paths: Paths) -> str:
    """The slot that users are not sent to, and that the next release goes to."""
    return OTHER[live_slot(paths) or "blue"]


def point(paths: Paths, slot: str) -> None:
    """Moves the flag that nginx asks: one rename or one unlink."""
    if slot == "green":
        write_file(paths.green, "")
    else:
        remove(paths.green)
    step(f"pointed nginx to {slot}")


def move_traffic(command: Command, slot: str) -> None:
    """Sends users to a slot and lets nginx prove it; puts the flag back if it does not."""
    paths = command.paths
    before = live_slot(paths)
    with command.timed("flip"):
        point(paths, slot)
        deadline = time.monotonic() + PROXY_SECONDS
        while True:
            pointer = ask_proxy()
            if pointer and pointer.slot == slot:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
    point(paths, before or "blue")
    answer = f"answers {pointer.slot}" if pointer else "does not answer"
    raise StepFailed(
        f"nginx {answer} after the flag for {slot} was set; it was put back: is nginx running? Run provision"
    )
