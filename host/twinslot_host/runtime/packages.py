"""Installs OS packages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

from twinslot_host.command.context import Command, log_step
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import read_text, remove, write_file
from twinslot_host.system.subprocesses import Ran, run

INSTALLERS = ("apt-get", "dnf")
LOCK_SECONDS = 300  # timeout for another installation, such as the nightly upgrades
INSTALL_SECONDS = 1200.0


class Need(NamedTuple):
    """A program that a host needs: its name in messages, its package for each installer, whether it is
    installed, and what to do when it cannot be."""

    name: str
    packages: dict[str, str]
    there: Callable[[], bool]
    advice: str


NGINX = Need(
    "nginx",
    {"apt-get": "nginx", "dnf": "nginx"},
    lambda: bool(shutil.which("nginx")),
    "install nginx by hand",
)


def ensure(command: Command, *needs: Need) -> None:
    """Install what is missing. Raises StepFailed, or NotExecuted when another command installs for too long.

    State Manager can prepare a machine while its app is being staged: one of them installs, the other waits,
    because a program exists before its package is configured.
    """
    lock = command.paths.installing_lock
    os.makedirs(os.path.dirname(lock), mode=0o755, exist_ok=True)
    with command.lock(lock, LOCK_SECONDS):
        install_missing(command, *needs)


def install_missing(command: Command, *needs: Need) -> None:
    """Install what is missing, with the lock.

    An installation that was killed is repeated: it was recorded.
    """
    note = command.paths.installing
    begun = set((read_text(note) or "").split())
    installer = next((name for name in INSTALLERS if shutil.which(name)), "")
    missing = [need for need in needs if not need.there() or need.packages.get(installer) in begun]
    if not missing:
        return
    names = " and ".join(need.name for need in missing)
    if not installer:
        raise StepFailed(f"{names} missing, and there is neither {' nor '.join(INSTALLERS)} to install with")
    packages = sorted({need.packages[installer] for need in missing})
    write_file(note, " ".join(sorted(begun.union(packages))))
    with command.timed("install"):
        ran = install(installer, packages)
    absent = [need for need in missing if not need.there()]
    # What is absent shows itself; what is there may be half installed, so it stays recorded.
    half = [need.packages[installer] for need in missing if ran.code and need not in absent]
    begun = begun.difference(packages).union(half)
    if begun:
        write_file(note, " ".join(sorted(begun)))
    else:
        remove(note)
    if ran.code or absent:
        said = (ran.output.strip().splitlines() or ["no output"])[-1]
        how = f"failed with {ran.code}: {said}" if ran.code else "did not install it"
        advice = ", and ".join(need.advice for need in absent or missing)
        raise StepFailed(f"{names} missing, and `{installer} install {' '.join(packages)}` {how}; {advice}")
    log_step("installed packages")


def install(installer: str, packages: list[str]) -> Ran:
    """Install the packages. The package lists are updated only if the first attempt fails."""
    if installer == "dnf":
        return run("dnf", "--quiet", "--assumeyes", "install", *packages, timeout=INSTALL_SECONDS)
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    apt = ("apt-get", "--quiet", "--yes", f"--option=DPkg::Lock::Timeout={LOCK_SECONDS}")
    command = (*apt, "install", "--no-install-recommends", *packages)
    # After an interrupted installation apt refuses to work until dpkg has finished it.
    run("dpkg", "--configure", "-a", timeout=INSTALL_SECONDS, **quiet)
    ran = run(*command, timeout=INSTALL_SECONDS, **quiet)
    if ran.code:
        run("dpkg", "--configure", "-a", timeout=INSTALL_SECONDS, **quiet)
        run(*apt, "update", timeout=INSTALL_SECONDS, **quiet)
        ran = run(*command, timeout=INSTALL_SECONDS, **quiet)
    return ran
