"""What doctor looks at on a host. Nothing is changed and nothing waited for; diagnosis.py judges it."""

from __future__ import annotations

import calendar
import http.client
import os
import pwd
import re
import shutil
import ssl
import sys
import time
from email.utils import parsedate
from typing import NamedTuple

from twinslot_host.aws.imds import read_instance
from twinslot_host.aws.s3 import ask_object, refusal
from twinslot_host.command.request import Request
from twinslot_host.nginx.applied_settings import settings_of
from twinslot_host.nginx.control import ask_proxy, live_slot
from twinslot_host.nginx.sites import rivals_in
from twinslot_host.runtime.java import installed
from twinslot_host.slot.environment import read_environment
from twinslot_host.slot.releases import folders_of
from twinslot_host.slot.state import read_content
from twinslot_host.system.errors import StepFailed, Transient
from twinslot_host.system.files import read_text
from twinslot_host.system.paths import OTHER, PORTS, Paths
from twinslot_host.system.procfs import family, owner, owns, sockets
from twinslot_host.system.subprocesses import check_run, run
from twinslot_host.system.systemd import both_units, show_units
from twinslot_host.verbs.report import standing
from twinslot_host.verbs.takeover_guard import cut_off

AGENTS = ("amazon-ssm-agent", "/snap/amazon-ssm-agent/current/amazon-ssm-agent")
ASK_SECONDS = 5.0


class Nginx(NamedTuple):
    """What systemd says of nginx."""

    state: str
    enabled: bool


class Site(NamedTuple):
    """Our site: its file, the digest in it (None: no file), and what nginx answers (None: nothing)."""

    path: str
    on_disk: str | None
    loaded: str | None


class Memory(NamedTuple):
    """Bytes: of the host, still to be had, and held by the live process (0: none). Whether both slots run."""

    total: int
    available: int
    live: int
    both: bool


class Disk(NamedTuple):
    """Bytes free for releases, and those of the largest one here."""

    path: str
    free: int
    largest: int


class Clock(NamedTuple):
    """What systemd says, and how many seconds this clock is ahead of S3's (None: not told)."""

    synchronised: bool
    skew: float | None


class Served(NamedTuple):
    """The slot by the flag (None: nothing is live), by nginx, and what is there; whether a boot starts it."""

    slot: str | None
    answers: str | None
    label: str
    state: str
    verified: bool
    enabled: bool = True


class Reading(NamedTuple):
    """One byte of the live release, asked of S3. `status` is 0 when nothing answered and `trouble` says why;
    `what` is empty where nothing is live; `role` where there are no credentials."""

    role: str
    status: int
    code: str
    what: str
    failure: str
    skew: float | None


class Certificate(NamedTuple):
    """The certificate of the settings ("": none), and the days until it ends (None: it cannot be read)."""

    path: str
    days: float | None
    failure: str


class HostProbe:
    """A host that doctor looks at for an app."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.paths = Paths(request.app)
        self.reading = self.read_one_byte()

    def read_one_byte(self) -> Reading:
        """Asks S3 for the first byte of the live release: the request that staging will make."""
        slot = live_slot(self.paths)
        content = read_content(self.paths, slot) if slot else None
        role = ""
        try:
            instance = read_instance()
            role = instance.role
            source = content.source if content else ["twinslot", "nothing", "none"]
            connection, response = ask_object(instance, source, ASK_SECONDS, range="bytes=0-0")
            try:
                code = refusal(response) if response.status >= 300 else ""
            finally:
                connection.close()
        except (StepFailed, Transient, OSError, ValueError, KeyError, http.client.HTTPException) as error:
            return Reading(role, 0, "", "", str(error), None)
        told = parsedate(response.headers.get("Date", ""))
        skew = time.time() - calendar.timegm(told) if told else None
        what = f"s3://{content.source[0]}/{content.source[1]}" if content else ""
        return Reading(role, response.status, code, what, "", skew)

    def agent(self) -> str:
        """What the agent on the disk says its version is."""
        program = next(filter(None, map(shutil.which, AGENTS)), None)
        found = (
            re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", run(program, "-version", timeout=10).output)
            if program
            else []
        )
        return found[0] if found else ""

    def python(self) -> tuple[int, ...]:
        """The version of this interpreter."""
        return tuple(sys.version_info[:3])

    def installed(self) -> str:
        """What nginx says its version is."""
        return run("nginx", "-v").output.strip() if shutil.which("nginx") else ""

    def running(self) -> Nginx | None:
        """What systemd says of nginx. None: it is not installed."""
        unit = show_units("nginx.service")[0]
        return Nginx(unit.state, unit.enabled) if self.installed() else None

    def configuration(self) -> str | None:
        """What nginx has against its configuration. None: it is not installed."""
        if not self.installed():
            return None
        checked = run("nginx", "-t")
        if not checked.code:
            return ""
        lines = checked.output.strip().splitlines()
        return ([line for line in lines if "[emerg]" in line] or lines or ["no word"])[0]

    def site(self) -> Site:
        """Our site on the disk, and as nginx has it."""
        text, pointer = read_text(self.paths.conf), ask_proxy()
        found = re.findall(r'return 200 "\S+ \S+ ([0-9a-f]+)\\n"', text or "")
        on_disk = (found or ["no digest"])[0] if text is not None else None
        return Site(self.paths.conf, on_disk, pointer.digest if pointer else None)

    def rivals(self) -> list[str] | None:
        """Other servers of nginx that claim port 80 for an address, or by default. None: it has no
        configuration that it accepts."""
        if self.configuration() != "":
            return None
        return rivals_in(check_run("nginx", "-T"), self.paths.conf)

    def cut_off(self) -> list[str]:
        """The servers of nginx whose users the first release would cut off."""
        return cut_off(self.paths, self.request.settings)

    def java(self) -> str:
        """The versions of Java that are installed, and where."""
        return ", ".join(f"{java.version or 'unknown'} in {java.home}" for java in installed())

    def ports(self) -> dict[int, str]:
        """The slots' ports that somebody else listens on, and who. Until something is live the old process
        may have blue's: the first release goes to green."""
        strangers = {}
        units, live = both_units(self.paths), live_slot(self.paths)
        for slot, port in PORTS.items():
            if slot == "blue" and not live:
                continue
            inodes, pid = sockets(port, "0A"), units[slot].pid
            if inodes and not (pid and any(owns(one, inode) for one in family(pid) for inode in inodes)):
                strangers[port] = owner(port) or "a process that just ended"
        return strangers

    def memory(self) -> Memory:
        """The host's memory, and what the live process has of it."""
        told = dict(re.findall(r"^(\w+): +(\d+) kB$", read_text("/proc/meminfo") or "", re.M))
        units, slot = both_units(self.paths), live_slot(self.paths)
        pid = units[slot].pid if slot else 0
        content = (
            re.findall(r"^VmRSS:\s+(\d+) kB$", read_text(f"/proc/{pid}/status") or "", re.M) if pid else []
        )
        both = bool(pid and slot and units[OTHER[slot]].pid)
        total, available = (int(told[name]) * 1024 for name in ("MemTotal", "MemAvailable"))
        return Memory(total, available, int(content[0]) * 1024 if content else 0, both)

    def disk(self) -> Disk:
        """The room for the next release."""
        path = self.paths.releases
        while not os.path.isdir(path):
            path = os.path.dirname(path)
        jars = [folder + "/app.jar" for folder in folders_of(self.paths)]
        return Disk(path, shutil.disk_usage(path).free, max(map(os.path.getsize, jars), default=0))

    def clock(self) -> Clock:
        """The clock, by systemd and by S3."""
        said = run("timedatectl", "show", "--property=NTPSynchronized", "--value").output.strip()
        return Clock(said == "yes", self.reading.skew)

    def only(self) -> list[str]:
        """The apps whose sites lie here."""
        folder = self.paths.conf_d
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return [name[9:-5] for name in names if re.fullmatch(r"twinslot-.+\.conf", name)]

    def live(self) -> Served:
        """What users get."""
        slot, stands = live_slot(self.paths), standing(self.paths)
        if not slot:
            return Served(None, None, "", "", False)
        there = stands["slots"][slot]
        label, enabled = there["label"] or "nothing", at_boot(self.paths.unit(slot))
        return Served(slot, stands["live"], label, there["state"], there["verified"], enabled)

    def one_byte(self) -> Reading:
        """What became of the question to S3."""
        return self.reading

    def environment(self) -> str:
        """Why the app's environment cannot be had; empty when it can. Its values are forgotten at once."""
        try:
            read_environment(self.paths.app)
        except (StepFailed, Transient) as error:
            return str(error)
        return ""

    def certificate(self) -> Certificate:
        """The certificate of the settings that came along, or of those that nginx was configured by."""
        path = settings_of(self.paths, self.request).tls_certificate or ""
        if not path:
            return Certificate("", None, "")
        ran = run("openssl", "x509", "-noout", "-enddate", "-in", path)
        found = re.findall(r"^notAfter=(.+)$", ran.output, re.M)
        if ran.code or not found:
            return Certificate(path, None, (ran.output.strip().splitlines() or ["no word"])[0])
        return Certificate(path, (ssl.cert_time_to_seconds(found[0]) - time.time()) / 86400, "")

    def units(self) -> list[str]:
        """The units of ours that failed."""
        listed = check_run(
            "systemctl", "list-units", "--all", "--state=failed", "--plain", "--no-legend", "--full",
            f"twinslot-{self.paths.app}@*", f"{self.paths.retire_unit}.*", "nginx.service",
        )  # fmt: skip
        return [line.split()[0] for line in listed.splitlines() if line.strip()]

    def state(self) -> list[str]:
        """The folders of ours that cannot be written."""
        folders = (self.paths.state, self.paths.live, self.paths.home)
        return [folder for folder in folders if os.path.isdir(folder) and not os.access(folder, os.W_OK)]

    def provisioned(self) -> list[str]:
        """What provision lays, and that is not there."""
        paths = self.paths
        unit = f"{paths.units}/twinslot-{paths.app}@.service"
        files = (unit, f"{paths.units}/{paths.retire_unit}.timer", paths.program, paths.state)
        missing = [path for path in files if not os.path.exists(path)]
        if any(unit.stale for unit in both_units(paths).values()):
            missing.append(f"{unit}, as systemd has it")
        timer = paths.retire_unit + ".timer"
        if os.path.exists(f"{paths.units}/{timer}") and not at_boot(timer):
            missing.append(f"{timer} at boot")
        try:
            pwd.getpwnam(paths.user())
        except KeyError:
            missing.append(f"the user {paths.user()}")
        return missing


def at_boot(unit: str) -> bool:
    """Whether a boot starts a unit, by the disk: what `show` says of one that runs may be from before."""
    return not run("systemctl", "is-enabled", "--quiet", unit).code
