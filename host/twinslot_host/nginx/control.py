"""Configure nginx, ask it for the live slot, and move the traffic to a slot."""

from __future__ import annotations

import hashlib
import os
import time
from typing import NamedTuple

from twinslot.shared.constants import PORTS
from twinslot.shared.settings_schema import Settings

from twinslot_host.command.context import Command, log_step
from twinslot_host.nginx.certificate import check_certificate
from twinslot_host.nginx.config import LIVE_PATH, configuration, http2_syntax
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import read_text, remove, write_file
from twinslot_host.system.http import ask
from twinslot_host.system.paths import OTHER, Paths
from twinslot_host.system.procfs import owner
from twinslot_host.system.subprocesses import check_run, run
from twinslot_host.system.systemd import Unit

PROXY_SECONDS = 5.0  # timeout for nginx to answer as configured


class Pointer(NamedTuple):
    """What nginx answers: the slot and the upstream group with the traffic, and what it runs (a digest)."""

    slot: str
    group: str
    digest: str


def ask_proxy() -> Pointer | None:
    """Ask nginx, by the server that users reach, for the live slot. None: no answer, or not our server."""
    answer = ask(80, LIVE_PATH, 2.0)
    words = answer.text.split()
    if answer.status == 200 and len(words) == 3 and words[0] in PORTS:
        return Pointer(*words)
    return None


def pristine_default_site() -> str | None:
    """Return the link of Debian's default site, which takes port 80. None: it is absent, or was changed."""
    link, file = "/etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default"
    if not os.path.islink(link) or os.path.realpath(link) != file:
        return None
    with open(file, "rb") as content:
        # dpkg records MD5. Hosts in FIPS mode allow it only for such uses.
        md5 = hashlib.md5(content.read(), usedforsecurity=False).hexdigest()
    known = run("dpkg-query", "--show", "--showformat=${Conffiles}\n", "nginx-common", "nginx")
    return link if f" {file} {md5}" in known.output else None


def clear_default_site() -> None:
    """Remove Debian's default site: its welcome page would make a load balancer think that the app is
    healthy.

    ensure_proxy does it for a host with an app. Amazon Linux starts nothing that it installs.
    """
    site = pristine_default_site()
    if site:
        remove(site)
        check_run("systemctl", "try-reload-or-restart", "nginx.service")
        log_step("removed the default site")


def expected_configuration(paths: Paths, settings: Settings) -> tuple[str, str]:
    """Return the expected configuration and its digest. Raises StepFailed when it cannot serve TLS."""
    http2 = ""
    if settings.tls_certificate and settings.tls_key:
        check_certificate(settings.tls_certificate, settings.tls_key)
        occupant = owner(443)
        if occupant and "(nginx)" not in occupant:
            raise StepFailed(f"port 443, which nginx needs for TLS, is taken by {occupant}: stop it")
        http2 = http2_syntax(check_run("nginx", "-V"))
    return configuration(paths, settings, os.path.exists("/proc/net/if_inet6"), http2)


def ensure_proxy(command: Command, unit: Unit) -> None:
    """Make nginx run our configuration, with a reload only if it does not.

    Raises StepFailed, with the old configuration restored, when nginx rejects or does not load the new one.
    """
    paths = command.paths
    text, digest = expected_configuration(paths, command.request.settings)
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
            why = ([line for line in lines if "[emerg]" in line] or lines or ["no output"])[0]
            raise StepFailed(
                f"nginx rejects its configuration, so nothing was changed; `nginx -t` prints: {why}"
            )
        log_step("configured nginx")
        if not unit.enabled:
            check_run("systemctl", "enable", "--no-reload", "nginx.service")
        if old != text or not (pointer and pointer.digest == digest):  # nginx may run what was added by hand
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
    """Load the configuration with this digest. Raises StepFailed when nginx does not run it in time."""
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
    log_step("loaded the configuration of nginx")


def wake_proxy() -> Pointer | None:
    """Ask nginx for the live slot, and start nginx if it does not answer: during a deployment it must run."""
    pointer = ask_proxy()
    if pointer:
        return pointer
    if run("systemctl", "start", "nginx.service").code == 0:
        log_step("started nginx")
    return ask_proxy()


def live_slot(paths: Paths) -> str | None:
    """Return the live slot, by the flag that nginx checks. None: nothing was ever flipped.

    There is no flag before the first flip, nor while blue is live. In the first case blue holds nothing: the
    first release is staged in green, and blue gets its first one while green is live.
    """
    if os.path.exists(paths.green):
        return "green"
    return "blue" if os.path.exists(paths.content("blue")) else None


def idle_slot(paths: Paths) -> str:
    """Return the slot without traffic, which gets the next release."""
    return OTHER[live_slot(paths) or "blue"]


def point(paths: Paths, slot: str) -> None:
    """Set the flag that nginx checks: one rename or one unlink."""
    if slot == "green":
        write_file(paths.green, "")
    else:
        remove(paths.green)
    log_step(f"pointed nginx to {slot}")


def move_traffic(command: Command, slot: str) -> None:
    """Move the traffic to a slot.

    Raises StepFailed, with the flag restored, unless nginx answers that slot.
    """
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
        f"nginx {answer} after the flag for {slot} was set; it was restored: is nginx running? Run provision"
    )
