"""Checks of nginx: installed, running, configured, and not in competition with other servers."""

from __future__ import annotations

import re
import shutil
from typing import NamedTuple

from twinslot_host.doctor.check import PROVISION, Checks, Verdict
from twinslot_host.doctor.host import Host
from twinslot_host.nginx.control import ask_proxy
from twinslot_host.nginx.sites import rivals_in
from twinslot_host.system.files import read_text
from twinslot_host.system.subprocesses import check_run, run
from twinslot_host.system.systemd import show_units
from twinslot_host.verbs.takeover_guard import cut_off

NOT_INSTALLED: Verdict = (None, "not checked: nginx is not installed", "see nginx installed")

check = Checks()


class Nginx(NamedTuple):
    """The state of nginx's unit."""

    state: str
    enabled: bool


class Site(NamedTuple):
    """Our site: its file, the digest in that (None: no file), and the one that nginx runs (None: none)."""

    path: str
    on_disk: str | None
    loaded: str | None


def installed_version(host: Host) -> str:
    """Return what `nginx -v` prints; empty: nginx is not installed."""
    return run("nginx", "-v").output.strip() if shutil.which("nginx") else ""


@check("nginx installed", installed_version)
def judge_installed(version: str, app: str) -> Verdict:
    """nginx is installed."""
    return bool(version), version or "nginx is not installed", PROVISION.format(app=app)


def unit_state(host: Host) -> Nginx | None:
    """Return the state of nginx's unit. None: nginx is not installed."""
    unit = show_units("nginx.service")[0]
    return Nginx(unit.state, unit.enabled) if installed_version(host) else None


@check("nginx running", unit_state)
def judge_running(nginx: Nginx | None, app: str) -> Verdict:
    """nginx runs, and starts at boot."""
    if nginx is None:
        return NOT_INSTALLED
    what = f"nginx.service is {nginx.state or 'unknown'}"
    what += " and starts at boot" if nginx.enabled else " and does not start at boot"
    return nginx.state == "active" and nginx.enabled, what, "sudo systemctl enable --now nginx"


def configuration_error(host: Host) -> str | None:
    """Return the error in nginx's configuration; empty: there is none. None: nginx is not installed."""
    if not installed_version(host):
        return None
    checked = run("nginx", "-t")
    if not checked.code:
        return ""
    lines = checked.output.strip().splitlines()
    return ([line for line in lines if "[emerg]" in line] or lines or ["no output"])[0]


@check("nginx configuration", configuration_error)
def judge_configuration(error: str | None, app: str) -> Verdict:
    """nginx accepts its configuration: otherwise its next reload and its start at boot fail."""
    if error is None:
        return NOT_INSTALLED
    what = f"`nginx -t` fails: {error}" if error else "`nginx -t` succeeds"
    remedy = "correct the file that it names, then: sudo nginx -t && sudo systemctl reload nginx"
    return not error, what, remedy


def our_site(host: Host) -> Site:
    """Return our site as it is on the disk, and as nginx runs it."""
    text, pointer = read_text(host.paths.conf), ask_proxy()
    found = re.findall(r'return 200 "\S+ \S+ ([0-9a-f]+)\\n"', text or "")
    on_disk = (found or ["no digest"])[0] if text is not None else None
    return Site(host.paths.conf, on_disk, pointer.digest if pointer else None)


@check("nginx site", our_site)
def judge_site(site: Site, app: str) -> Verdict:
    """nginx runs our site's file."""
    if site.on_disk is None:
        return False, f"{site.path} is missing: this host was not provisioned", PROVISION.format(app=app)
    if site.loaded is None:
        what = f"127.0.0.1:80 does not answer as configured in {site.path}: another server does, or none"
    elif site.loaded != site.on_disk:
        what = f"nginx runs the configuration {site.loaded}, and {site.path} contains {site.on_disk}"
    else:
        return True, f"nginx runs {site.path}, {site.loaded}", ""
    return False, what, "sudo nginx -t && sudo systemctl reload-or-restart nginx"


def rivals(host: Host) -> list[str] | None:
    """Return the other servers of nginx on port 80 that take precedence. None: no valid configuration."""
    if configuration_error(host) != "":
        return None
    return rivals_in(check_run("nginx", "-T"), host.paths.conf)


@check("port 80", rivals)
def judge_rivals(rivals: list[str] | None, app: str) -> Verdict:
    """No other server of nginx takes precedence on port 80."""
    if rivals is None:
        return None, "not checked: nginx has no valid configuration", "see nginx configuration"
    if not rivals:
        return True, "no other server of nginx takes precedence on port 80", ""
    remedy = (
        "remove default_server or the address from that listen, then: sudo nginx -t && sudo nginx -s reload"
    )
    return False, "other servers take precedence on port 80: " + ", ".join(rivals[:3]), remedy


def sites_cut_off(host: Host) -> list[str]:
    """Return the files of sites whose requests would fail after a takeover."""
    return cut_off(host.paths, host.request.settings)


@check("users", sites_cut_off)
def judge_cut_off(files: list[str], app: str) -> Verdict:
    """Sites that are served now stay served when our site is added."""
    if not files:
        return True, "no users of another site would be cut off", ""
    what = f"users of {', '.join(files[:3])} would find nothing on port 8081 until a release is live"
    return False, what, "move their process to 8081, or name them in its server_name: see docs/migrating.md"
