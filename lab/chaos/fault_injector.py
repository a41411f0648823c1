"""Changes the commands of a host: kills one, or runs a program, at the place that a fault names.

The product has no hook for it. The agent's environment puts in_host/sitecustomize.py on Python's path, which
sees the steps that the host's program writes to syslog, and each file that it opens for writing.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from lab.sandbox.hosts.machine import Machine

IN_HOST = Path(__file__).with_name("in_host")
FOLDER = "/usr/local/lib/chaos"
HOME = "/run/chaos"
FILL = ("/usr/bin/env", "python3", f"{FOLDER}/fill.py")
DROP_IN = "/etc/systemd/system/amazon-ssm-agent.service.d/chaos.conf"


@dataclass(frozen=True)
class Place:
    """A place in a command: after a step that it logged (`did`), or before it writes a file (`write`)."""

    step: str
    kind: str
    name: str


class FaultInjector:
    """Injects into one host. `install` restarts its agent."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def install(self) -> None:
        for name in ("sitecustomize.py", "fill.py"):
            self._machine.write(f"{FOLDER}/{name}", (IN_HOST / name).read_text())
        self._machine.write(
            DROP_IN, f"[Service]\nEnvironment=PYTHONPATH={FOLDER} PYTHONDONTWRITEBYTECODE=1\n"
        )
        self.shell(f"mkdir -p {HOME} && systemctl daemon-reload && systemctl restart amazon-ssm-agent")

    def clear(self) -> None:
        """Remove the rule, the offset of the time and the places seen; needed after a reboot, too."""
        self.shell(f"mkdir -p {HOME} && cd {HOME} && rm -f rule.json injected.json seen clock")

    def inject(self, place: Place, *run: str, kill: bool = False) -> None:
        """Once, when the next command reaches this place: run a program, or SIGKILL the process group."""
        rule = {"step": place.step, "kind": place.kind, "name": place.name, "run": list(run), "kill": kill}
        self._machine.write(f"{HOME}/rule.json", json.dumps(rule))

    def injected(self) -> bool:
        """Return whether a command has reached the place."""
        done = self._machine.run(["test", "-e", f"{HOME}/injected.json"], timeout_seconds=30)
        return done.returncode == 0

    def seen(self) -> list[Place]:
        """Return the places that commands reached, each once, in order."""
        lines = self.shell(f"cat {HOME}/seen 2>/dev/null || true").splitlines()
        return list(dict.fromkeys(Place(*line.split("\t")) for line in lines))

    def shell(self, text: str) -> str:
        done = self._machine.run(["sh", "-c", text], timeout_seconds=60)
        if done.returncode:
            raise RuntimeError(f"{self._machine.name}: {text}: {done.stderr.strip()[-500:]}")
        return done.stdout
