"""Into a host's commands: cut them, or do something else to the host, at the place that a fault names.

The product has no hook for it. The agent's environment leads Python to in_host/sitecustomize.py, which sees
the program's own steps (it tells each to syslog) and each file that it opens to write.
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
    """A place in a command: after a step that it named (`did`) or before it writes a file (`write`)."""

    step: str
    kind: str
    name: str


class FaultInjector:
    """The intruder in one host. `move_in` starts the agent anew, with it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def move_in(self) -> None:
        for name in ("sitecustomize.py", "fill.py"):
            self._machine.write(f"{FOLDER}/{name}", (IN_HOST / name).read_text())
        self._machine.write(
            DROP_IN, f"[Service]\nEnvironment=PYTHONPATH={FOLDER} PYTHONDONTWRITEBYTECODE=1\n"
        )
        self.shell(f"mkdir -p {HOME} && systemctl daemon-reload && systemctl restart amazon-ssm-agent")

    def forget(self) -> None:
        """No rule, no wrong clock, nothing noted; also after a reboot."""
        self.shell(f"mkdir -p {HOME} && cd {HOME} && rm -f rule.json struck.json seen clock")

    def inject(self, place: Place, *run: str, kill: bool = False) -> None:
        """Once, when the next command comes to this place: run a program, or SIGKILL the process group."""
        rule = {"step": place.step, "kind": place.kind, "name": place.name, "run": list(run), "kill": kill}
        self._machine.write(f"{HOME}/rule.json", json.dumps(rule))

    def shift_clock(self, seconds: float) -> None:
        self._machine.write(f"{HOME}/clock", str(seconds))

    def struck(self) -> bool:
        return self._machine.run(["test", "-e", f"{HOME}/struck.json"], timeout_seconds=30).returncode == 0

    def seen(self) -> list[Place]:
        """The places that commands came to, each once, in order."""
        lines = self.shell(f"cat {HOME}/seen 2>/dev/null || true").splitlines()
        return list(dict.fromkeys(Place(*line.split("\t")) for line in lines))

    def shell(self, text: str) -> str:
        done = self._machine.run(["sh", "-c", text], timeout_seconds=60)
        if done.returncode:
            raise RuntimeError(f"{self._machine.name}: {text}: {done.stderr.strip()[-500:]}")
        return done.stdout
