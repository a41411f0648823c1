"""Other people's programs that a host needs, installed where they are missing: nginx and java."""

from __future__ import annotations

import shutil

from twinslot_host.command import Command, step
from twinslot_host.files import read_text, remove, write_file
from twinslot_host.programs import must, run
from twinslot_host.trouble import Trouble

PROGRAMS = ("nginx", "java")
PACKAGES = {
    "apt-get": ("nginx", "default-jre-headless"),
    "dnf": ("nginx", "java-21-amazon-corretto-headless"),
}
LOCK_SECONDS = 300  # how long another installation, such as the nightly upgrades, may keep us waiting
INSTALL_SECONDS = 1200.0


def ensure_programs(command: Command) -> None:
    """Sees to it that nginx and java are there. An installation that was cut is noted, and done again: a
    program may be there before its package is configured."""
    begun = read_text(command.places.installing) or ""
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    if not absent and not begun:
        return
    installer = next((name for name in PACKAGES if shutil.which(name)), None)
    if not installer:
        raise Trouble(f"{' and '.join(absent)} missing, and neither {' nor '.join(PACKAGES)} to install with")
    known = dict(zip(PROGRAMS, PACKAGES[installer]))
    packages = sorted({*begun.split(), *(known[program] for program in absent)})
    write_file(command.places.installing, " ".join(packages))
    with command.timed("install"):
        install(installer, packages)
    for program in absent:
        if not shutil.which(program):
            raise Trouble(f"{known[program]} was installed, and there is still no {program} on the path")
    remove(command.places.installing)
    step("installed packages")


def install(installer: str, packages: list[str]) -> None:
    """Installs the packages. The lists of what there is are fetched only if it does not work without."""
    if installer == "dnf":
        must("dnf", "--quiet", "--assumeyes", "install", *packages, timeout=INSTALL_SECONDS)
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    apt = ("apt-get", "--quiet", "--yes", f"--option=DPkg::Lock::Timeout={LOCK_SECONDS}")
    command = (*apt, "install", "--no-install-recommends", *packages)
    # After a cut apt refuses to work until dpkg has tidied up, which it cannot while the one cut still runs.
    run("dpkg", "--configure", "-a", timeout=INSTALL_SECONDS, **quiet)
    if run(*command, timeout=INSTALL_SECONDS, **quiet).code:
        run("dpkg", "--configure", "-a", timeout=INSTALL_SECONDS, **quiet)
        run(*apt, "update", timeout=INSTALL_SECONDS, **quiet)
        must(*command, timeout=INSTALL_SECONDS, **quiet)
