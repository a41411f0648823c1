"""EC2 hosts as machines, each with its own systemd, files, processes and network address.

    with Rack() as rack:
        machine = rack.boot("i-0123456789abcdef0", files={"/etc/systemd/system/agent.service": "..."},
                            units=["agent.service"])
        done = machine.run(["systemctl", "is-active", "agent"], timeout_seconds=10)
        machine.address, rack.gateway      # "10.213.0.11", "10.213.0.1": where this machine listens for hosts
        machine.write("/etc/motd", "hello"); machine.read("/etc/motd")
        machine.reboot(); machine.kill(); machine.start(); machine.shutdown()

A machine is systemd-nspawn over this machine's own system (images.py). It has Java unless it is booted
without; `apt-get install` installs what is missing. A machine that reboots is powered on again. `Rack.boot`
is thread-safe. Leaving the `with` removes everything; cleanup.py does so however else the process ends.
"""

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.project import ROOT
from lab.sandbox.hosts import cgroups, images
from lab.sandbox.hosts.cleanup import Run, lock
from lab.sandbox.hosts.network import Network

STATE = (ROOT / "build" / "sandbox").resolve()
"""Resolved as the kernel has it: mounts below it are found by its path."""
SUBNETS_LOCK = Path("/run/twinslot-sandbox.lock")
BOOT_SECONDS = 60.0
_STOP_SECONDS = 90.0
_REBOOTS = 133  # nspawn's exit code when the machine asks for a reboot
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOOLS = ("systemd-nspawn", "nsenter", "ip", "unshare", "apt-ftparchive")


def unavailable() -> str | None:
    """Return why no machine can be booted here, or None."""
    if os.geteuid() != 0:
        return "machines need root: run it with sudo"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"missing here: {', '.join(missing)}; lab/setup.sh packages installs them"
    trial = ["unshare", "--mount", "--net", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "true"]
    done = subprocess.run(trial, capture_output=True, text=True)
    if done.returncode:
        return f"root cannot create namespaces here: {done.stderr.strip()}"
    return None


class Machine:
    """One host, created by `Rack.boot`; `name` is its host name, `address` its IPv4 address."""

    def __init__(self, name: str, directory: Path, groups: list[Path], network: Network, number: int) -> None:
        self.name = name
        self.directory = directory
        self._groups = groups
        self._id = f"{network.name}-{number}"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        # The namespace exists as long as this process, across boots.
        self._namespace = subprocess.Popen(
            cgroups.entering(groups, ["unshare", "--net", "sleep", "infinity"]),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._namespace_path = Path(f"/proc/{self._namespace.pid}/ns/net")
        _until(self._has_own_namespace, 10.0, f"{name} got no network namespace")
        self.address = network.connect(number, self._namespace_path)
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        # An abstract address: it is not a file, and is removed with the socket.
        self._notices_address = f"@{self._id}"
        self._notices.bind("\0" + self._notices_address[1:])
        self._ready = threading.Event()
        threading.Thread(target=self._read_notices, name=f"notices-{name}", daemon=True).start()

    def _read_notices(self) -> None:
        """Read the notices of the machine's systemd as long as there is a machine: it blocks when no thread
        does, since it sends one each second of a long job."""
        while True:
            try:
                notice = self._notices.recv(4096).decode(errors="replace")
            except OSError:
                return
            if not notice:
                return
            for key, _, value in (line.partition("=") for line in notice.splitlines()):
                if key == "X_NSPAWN_LEADER_PID":
                    self._leader = int(value)
                    self._leader_file.write_text(value)
                elif (key, value) == ("READY", "1") and self._leader:
                    self._ready.set()

    def _has_own_namespace(self) -> bool:
        own = os.readlink("/proc/self/ns/net")
        return self._namespace.poll() is None and os.readlink(self._namespace_path) != own

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def _leader_file(self) -> Path:
        return self.directory / "leader"

    @property
    def shell(self) -> str:
        """Return the command for a root shell in the machine; it also works after a reboot."""
        return f'nsenter --target "$(cat {self._leader_file})" --all --root --wdns=/root bash --login'

    @property
    def console(self) -> str:
        """Return what the machine has printed on its console so far."""
        return (self.directory / "console").read_text(errors="replace")

    def start(self) -> None:
        """Power on and wait until systemd has started everything.

        Raises TimeoutError after BOOT_SECONDS, with the console's last lines.
        """
        if self._nspawn and self._nspawn.poll() is None:
            raise RuntimeError(f"{self.name} is running already")
        self._power_on()
        self._wait_until_ready()

    def _power_on(self) -> None:
        self._leader = 0
        self._ready.clear()
        argv = ["systemd-nspawn", "--quiet", "--boot", "--settings=no", "--register=no", "--keep-unit"]
        argv += [f"--directory={self.directory}/root", f"--machine={self._id}", f"--hostname={self.name}"]
        argv += [f"--network-namespace-path={self._namespace_path}", "--capability=CAP_NET_ADMIN"]
        argv += ["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"]
        argv += ["--notify-ready=yes"]
        with (self.directory / "console").open("ab") as console:
            self._nspawn = subprocess.Popen(
                cgroups.entering(self._groups, argv),
                env={"PATH": _PATH, "NOTIFY_SOCKET": self._notices_address},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        watch = threading.Thread(target=self._power_on_after_reboot, args=(self._nspawn,), daemon=True)
        watch.start()

    def _power_on_after_reboot(self, nspawn: subprocess.Popen[bytes]) -> None:
        """Power on again when nspawn exits because the machine asked for a reboot."""
        if nspawn.wait() == _REBOOTS:
            self._power_on()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and self._nspawn and self._nspawn.poll() is None:
            if self._ready.wait(0.5):
                return
        raise TimeoutError(f"{self.name} did not boot:\n{self.console[-2000:]}")

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | bytes | None = None,
        timeout_seconds: float,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root in the machine, without this process's environment.

        Raises subprocess.TimeoutExpired after killing its process group; a failure is in `returncode`.
        """
        enter = [
            "nsenter",
            f"--target={self._leader}",
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--cgroup",
        ]
        enter += ["--root", "--wdns=/root", "--", *argv]
        process = subprocess.Popen(
            cgroups.entering(self._command_groups(), enter),
            env={"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **(env or {})},
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            data = input.encode() if isinstance(input, str) else input
            output, errors = process.communicate(data, timeout_seconds)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        text, error_text = output.decode(errors="replace"), errors.decode(errors="replace")
        return subprocess.CompletedProcess(list(argv), process.returncode, text, error_text)

    def _command_groups(self) -> list[Path]:
        """Return groups for commands from outside, within those that the machine's systemd has as root; it
        does not touch groups that it did not create."""
        # In the hierarchies that systemd uses, nspawn creates that root beside a group for itself.
        roots = [payload if (payload := group / "payload").is_dir() else group for group in self._groups]
        groups = [root / "commands" for root in roots]
        for group in groups:
            group.mkdir(exist_ok=True)
        return groups

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file in the running machine, with its parent directories."""
        argv = ["install", "-D", f"--mode={mode:o}", "/dev/stdin", path]
        self._check_run(argv, input=content)

    def read(self, path: str) -> str:
        """Return the text of a file in the running machine. Raises RuntimeError."""
        return self._check_run(["cat", "--", path])

    def _check_run(self, argv: Sequence[str], input: str | bytes | None = None) -> str:
        done = self.run(argv, input=input, timeout_seconds=30)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {shlex.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def limit_memory(self, limit_bytes: int | None) -> None:
        """Limit the memory of all its processes together, with caches; None: no limit."""
        names = {"memory.max": "max", "memory.limit_in_bytes": "-1"}
        for limit in (group / name for group in self._groups for name in names if (group / name).exists()):
            limit.write_text(names[limit.name] if limit_bytes is None else str(limit_bytes))

    def memory_bytes(self) -> int:
        """Return the memory of its processes, without caches."""
        for stat in (group / "memory.stat" for group in self._groups if (group / "memory.stat").exists()):
            fields = dict(line.split() for line in stat.read_text().splitlines())
            return int(fields.get("total_rss") or fields["anon"])
        raise RuntimeError(f"{self.name}: no control group accounts its memory")

    def reboot(self) -> None:
        """Shut the machine down in an orderly way, and wait until it has booted again."""
        running = self._nspawn
        self._signal_leader(signal.SIGRTMIN + 5)
        if not running or running.wait(_STOP_SECONDS) != _REBOOTS:
            raise RuntimeError(f"{self.name} did not reboot:\n{self.console[-2000:]}")
        _until(lambda: self._nspawn is not running, 10.0, f"{self.name} was not powered on again")
        self._wait_until_ready()

    def kill(self) -> None:
        """Cut the power: kill every process at once. Files stay; `start` boots it again."""
        self._signal_leader(signal.SIGKILL)
        if self._nspawn and not self._leader:
            self._nspawn.kill()
        self._wait_until_off()

    def shutdown(self) -> None:
        """Shut down in an orderly way; `start` boots it again."""
        self._signal_leader(signal.SIGRTMIN + 4)
        self._wait_until_off()

    def _signal_leader(self, number: int) -> None:
        # After nspawn has ended, the leader's pid may belong to another process.
        if self._leader and self._nspawn and self._nspawn.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader, number)

    def _wait_until_off(self) -> None:
        if self._nspawn:
            self._nspawn.wait(_STOP_SECONDS)
        self._leader = 0

    def discard(self) -> None:
        """Release what this process holds for the machine, which must be off."""
        self._namespace.wait()
        if self._nspawn:
            self._nspawn.wait()
        # Closing alone does not wake up the reading thread.
        self._notices.shutdown(socket.SHUT_RDWR)
        self._notices.close()


class Rack:
    """A place for machines: their network, and the run that cleans up after them."""

    def __init__(self, state: Path = STATE) -> None:
        reason = unavailable()
        if reason:
            raise RuntimeError(reason)
        self._state = state
        self._run = Run(state / "runs")
        self._machines: list[Machine] = []
        self._making = threading.Lock()
        try:
            self._images = {True: images.copy(state, self._run.directory)}
            # Runs of other checkouts use the same range.
            with lock(SUBNETS_LOCK):
                self._network = Network(self._run.name)
        except BaseException:
            self._run.end()
            raise
        self.gateway = self._network.gateway

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove every machine and the network."""
        self._run.end()
        for machine in self._machines:
            machine.discard()
        self._machines.clear()

    def boot(
        self,
        name: str,
        *,
        files: Mapping[str, str] | None = None,
        units: Sequence[str] = (),
        java: bool = True,
    ) -> Machine:
        """Boot a new machine with these files and enabled systemd units. Without `java`, it has to install
        one.

        `name` becomes the host name. Raises TimeoutError when it does not boot.
        """
        with self._making:
            number = self._network.reserve()
            if java not in self._images:
                self._images[java] = images.copy(self._state, self._run.directory, java=java)
        directory = self._run.directory / str(number)
        directory.mkdir()
        root = images.mount(directory, self._images[java])
        own = {"/etc/machine-id": secrets.token_hex(16) + "\n", "/etc/hostname": f"{name}\n"}
        own["/etc/hosts"] = f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n"
        for path, text in (own | dict(files or {})).items():
            place = _place(root, path)
            place.write_text(text)
            place.chmod(0o644)
        for unit in units:
            wants = _place(root, f"/etc/systemd/system/multi-user.target.wants/{unit}")
            wants.symlink_to(f"/etc/systemd/system/{unit}")
        groups = cgroups.create(f"{self._run.name}/{number}")
        machine = Machine(name, directory, groups, self._network, number)
        self._machines.append(machine)
        machine.start()
        return machine


def _place(root: Path, path: str) -> Path:
    """Return the path of a machine's file on this machine, and create its directory.

    Raises ValueError when it is outside of the machine.
    """
    place = root / path.lstrip("/")
    parent = place.parent.resolve()
    if not parent.is_relative_to(root.resolve()) or place.is_symlink():
        raise ValueError(f"{path} leads out of the machine")
    parent.mkdir(parents=True, exist_ok=True)
    return place


def _until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait for a condition. Raises TimeoutError with `otherwise`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.005)
