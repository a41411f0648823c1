"""Checks of the machine: memory, disk and clock."""

from __future__ import annotations

import os
import re
import shutil
from typing import NamedTuple

from twinslot_host.doctor.check import Checks, Verdict
from twinslot_host.doctor.host import Host
from twinslot_host.nginx.control import live_slot
from twinslot_host.slot.releases import SPARE_BYTES, release_folders
from twinslot_host.system.files import read_text
from twinslot_host.system.paths import OTHER
from twinslot_host.system.subprocesses import run
from twinslot_host.system.systemd import both_units

SKEW_SECONDS = 60.0  # S3 refuses signatures that are 15 minutes off
BARE_MEMORY = 900 * 1024**2  # two small JVMs beside the system
MIB = 1024**2

check = Checks()


class Memory(NamedTuple):
    """Bytes: of the host, available, and used by the live process (0: none). Whether both slots run."""

    total: int
    available: int
    live: int
    both: bool


class Disk(NamedTuple):
    """Bytes free for releases, and those of the largest release on this host."""

    path: str
    free: int
    largest: int


class Clock(NamedTuple):
    """Whether systemd calls the clock synchronised, and its seconds ahead of S3's (None: unknown)."""

    synchronised: bool
    skew: float | None


def memory(host: Host) -> Memory:
    """Return the host's memory, and what the live process uses of it."""
    table = dict(re.findall(r"^(\w+): +(\d+) kB$", read_text("/proc/meminfo") or "", re.M))
    units, slot = both_units(host.paths), live_slot(host.paths)
    pid = units[slot].pid if slot else 0
    status = (read_text(f"/proc/{pid}/status") or "") if pid else ""
    used = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.M)
    both = bool(pid and slot and units[OTHER[slot]].pid)
    total, available = (int(table[name]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return Memory(total, available, int(used[0]) * 1024 if used else 0, both)


@check("memory", memory)
def judge_memory(memory: Memory, app: str) -> Verdict:
    """There is memory for the app's second process, which runs during a deployment."""
    remedy = "take a larger instance type, or lower the setting java_options, such as -Xmx256m"
    found = f"{memory.available // MIB} of {memory.total // MIB} MiB available"
    if not memory.live:
        what = f"{found}; two JVMs need {BARE_MEMORY // MIB} MiB in all"
        return memory.total >= BARE_MEMORY, what, remedy
    used = memory.live // MIB
    if memory.both:
        return True, f"{found} beside both slots; the live process uses {used} MiB", ""
    what = f"{found}; the live process uses {used} MiB, and a deployment starts a second one"
    return memory.available >= memory.live, what, remedy


def disk(host: Host) -> Disk:
    """Return the space for the next release."""
    path = host.paths.releases
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    jars = [folder + "/app.jar" for folder in release_folders(host.paths)]
    return Disk(path, shutil.disk_usage(path).free, max(map(os.path.getsize, jars), default=0))


@check("disk", disk)
def judge_disk(disk: Disk, app: str) -> Verdict:
    """There is space for the next release, and for what it writes."""
    need = 2 * disk.largest + SPARE_BYTES
    what = f"{disk.free // MIB} MiB free in {disk.path}; {-(-need // MIB)} MiB are needed"
    return disk.free >= need, what, "sudo du -xh --max-depth=2 / | sort -h | tail -20, and free some"


def clock(host: Host) -> Clock:
    """Return the state of the clock, by systemd and by S3."""
    synchronised = run("timedatectl", "show", "--property=NTPSynchronized", "--value").output.strip()
    return Clock(synchronised == "yes", host.s3_answer.skew)


@check("clock", clock)
def judge_clock(clock: Clock, app: str) -> Verdict:
    """The clock is right: AWS refuses signatures with a wrong time."""
    if clock.skew is not None and abs(clock.skew) > SKEW_SECONDS:
        ok, what = False, f"the clock is {abs(clock.skew):.0f} s {'ahead' if clock.skew > 0 else 'behind'}"
    elif clock.skew is not None:
        ok, what = True, f"the clock agrees with S3's within {abs(clock.skew):.0f} s"
    else:
        ok = clock.synchronised
        what = f"the clock is {'' if ok else 'not '}synchronised; S3 gave no time to compare with"
    return ok, what, "sudo systemctl enable --now chronyd || sudo timedatectl set-ntp true"
