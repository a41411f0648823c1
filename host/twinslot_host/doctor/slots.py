"""Checks of what provision installs and of the app's two slots."""

from __future__ import annotations

import os
import pwd
import re
from typing import NamedTuple

from twinslot.shared.constants import PORTS

from twinslot_host.doctor.check import PROVISION, Checks, Verdict
from twinslot_host.doctor.host import Host
from twinslot_host.nginx.control import live_slot
from twinslot_host.runtime.java import installed
from twinslot_host.slot.state import unreadable
from twinslot_host.system.procfs import family, owner, owns, sockets
from twinslot_host.system.subprocesses import check_run, run
from twinslot_host.system.systemd import both_units
from twinslot_host.verbs.report import host_status

check = Checks()


class Served(NamedTuple):
    """The live slot by the flag (None: none) and by nginx, its content, and whether a boot starts it."""

    slot: str | None
    answers: str | None
    label: str
    state: str
    verified: bool
    enabled: bool = True


def java_versions(host: Host) -> str:
    """Return the versions of Java that are installed, and where."""
    return ", ".join(f"{java.version or 'unknown'} in {java.home}" for java in installed())


@check("java", java_versions)
def judge_java(versions: str, app: str) -> Verdict:
    """There is a Java to run releases with."""
    return bool(versions), versions or "no Java is installed", PROVISION.format(app=app)


def missing_files(host: Host) -> list[str]:
    """Return what provision installs, and is missing."""
    paths = host.paths
    unit = f"{paths.units}/twinslot-{host.app}@.service"
    files = (unit, f"{paths.units}/{paths.retire_unit}.timer", paths.program, paths.state)
    missing = [path for path in files if not os.path.exists(path)]
    if any(unit.stale for unit in both_units(paths).values()):
        missing.append(f"{unit}, as systemd has loaded it")
    timer = paths.retire_unit + ".timer"
    if os.path.exists(f"{paths.units}/{timer}") and not starts_at_boot(timer):
        missing.append(f"{timer} at boot")
    try:
        pwd.getpwnam(paths.user())
    except KeyError:
        missing.append(f"the user {paths.user()}")
    return missing


def starts_at_boot(unit: str) -> bool:
    """Return whether a boot starts a unit, by the disk: what `show` prints can be outdated."""
    return not run("systemctl", "is-enabled", "--quiet", unit).code


@check("provisioned", missing_files)
def judge_provisioned(missing: list[str], app: str) -> Verdict:
    """What provision installs is there, and systemd has loaded it."""
    if not missing:
        return True, "the user, the units and the program of twinslot are installed", ""
    return False, f"missing or not loaded: {', '.join(missing)}", PROVISION.format(app=app)


def sites(host: Host) -> list[str]:
    """Return the apps that have a site on this host."""
    folder = host.paths.conf_d
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [name[9:-5] for name in names if re.fullmatch(r"twinslot-.+\.conf", name)]


@check("one app", sites)
def judge_only(apps: list[str], app: str) -> Verdict:
    """A host serves one app."""
    others = [other for other in apps if other != app]
    if not others:
        return True, f"this host serves {app} alone" if apps else "this host serves no app yet", ""
    remedy = f"tag this instance twinslot={others[0]} if it is that app's, or give {app} another host"
    return False, f"this host serves {', '.join(others)}, and doctor was asked about {app}", remedy


def served(host: Host) -> Served:
    """Return what is live."""
    slot, status = live_slot(host.paths), host_status(host.paths)
    if not slot:
        return Served(None, None, "", "", False)
    content = status["slots"][slot]
    label, enabled = content["label"] or "nothing", starts_at_boot(host.paths.unit(slot))
    return Served(slot, status["live"], label, content["state"], content["verified"], enabled)


@check("live slot", served)
def judge_live(served: Served, app: str) -> Verdict:
    """The live slot runs what was verified."""
    if not served.slot:
        return True, "nothing is live yet: the first upload changes that", ""
    ok = served.answers == served.slot and served.state == "active" and served.verified
    if ok and not served.enabled:
        what = f"{served.label} in {served.slot} is live, and would not start after a boot"
        return False, what, f"sudo systemctl enable twinslot-{app}@{served.slot}"
    what = f"{served.label} in {served.slot} is {served.state}, {'' if served.verified else 'not '}verified"
    if served.answers != served.slot:
        what += f"; nginx {'answers ' + served.answers if served.answers else 'does not answer'}"
    return ok, what, f"twinslot logs {app}; then twinslot rollback {app}, or upload a jar that starts"


def strangers(host: Host) -> dict[int, str]:
    """Return the ports of slots that other processes listen on, and which.

    Until something is live blue's port can be the old process's: the first release goes to green.
    """
    found = {}
    units, live = both_units(host.paths), live_slot(host.paths)
    for slot, port in PORTS.items():
        if slot == "blue" and not live:
            continue
        inodes, pid = sockets(port, "0A"), units[slot].pid
        if inodes and not (pid and any(owns(one, inode) for one in family(pid) for inode in inodes)):
            found[port] = owner(port) or "a process that just ended"
    return found


@check("slot ports", strangers)
def judge_ports(strangers: dict[int, str], app: str) -> Verdict:
    """Only the slots listen on their ports."""
    if not strangers:
        return True, "no other process has a port that a slot needs", ""
    what = "; ".join(f"port {port} is taken by {owner}" for port, owner in strangers.items())
    port = next(iter(strangers))
    return False, what, f"sudo ss -ltnp 'sport = :{port}' names it: stop it, or move it (docs/migrating.md)"


def failed_units(host: Host) -> list[str]:
    """Return our units, and nginx's, that failed."""
    listed = check_run(
        "systemctl", "list-units", "--all", "--state=failed", "--plain", "--no-legend", "--full",
        f"twinslot-{host.app}@*", f"{host.paths.retire_unit}.*", "nginx.service",
    )  # fmt: skip
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


@check("units", failed_units)
def judge_units(failed: list[str], app: str) -> Verdict:
    """No unit of ours has failed."""
    if not failed:
        return True, "no unit of twinslot or nginx has failed", ""
    remedy = f"sudo journalctl --unit {failed[0]} --lines 50; then sudo systemctl restart {failed[0]}"
    return False, f"failed: {', '.join(failed)}", remedy


def unreadable_slot(host: Host) -> str:
    """Return the slot's file that this version cannot read, and why; empty: both can be read."""
    return unreadable(host.paths)


@check("slot files", unreadable_slot)
def judge_slot_files(failure: str, app: str) -> Verdict:
    """What the slots hold can be read: another version of twinslot may have written it."""
    what = failure or "the files of both slots can be read"
    return not failure, what, f"deploy the version of twinslot that wrote it, or upload a jar to {app}/"


def unwritable_folders(host: Host) -> list[str]:
    """Return our folders that cannot be written."""
    folders = (host.paths.state, host.paths.live, host.paths.home)
    return [folder for folder in folders if os.path.isdir(folder) and not os.access(folder, os.W_OK)]


@check("state", unwritable_folders)
def judge_state(unwritable: list[str], app: str) -> Verdict:
    """Fence, ledger and flag can be written."""
    if not unwritable:
        return True, "the fence, the ledger and the flag can be written", ""
    what = f"cannot be written: {', '.join(unwritable)}"
    return False, what, f"mount | grep ' / '; sudo lsattr -d {unwritable[0]}; sudo mount -o remount,rw /"
