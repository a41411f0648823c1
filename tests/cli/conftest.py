"""One account for the whole tier: the real template and functions, hosts that are simulated.

Each test has an application of its own. The command line runs in this process but for what needs one of its
own: a signal, a pipe, a terminal.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from twinslot_cli import main
from twinslot_cli.output import watch

from lab.sandbox.account import Account, Listener, Pace
from tests.proof.simulated_hosts import Hosts
from tests.unit.jars import SPRING, zipped

ROOT = Path(__file__).parents[2]
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


class World:
    """The account and its hosts."""

    def __init__(self, aws: Account, jars: Path) -> None:
        self.aws = aws
        self.hosts = Hosts(aws)
        self._jars = jars

    def app(self, hosts: int = 1) -> str:
        """The name of a new application with so many hosts, which bakes for a second."""
        name = f"app{next(NUMBERS)}"
        for _ in range(hosts):
            self.hosts.add(name)
        self.set(name, json.dumps({"bake_seconds": 1}))
        return name

    def set(self, app: str, settings: str) -> None:
        self.aws.client("ssm").put_parameter(
            Name=f"/twinslot/apps/{app}", Type="String", Value=settings, Overwrite=True
        )

    def jar(self, label: str, size: int = 0) -> Path:
        """A jar with this label, of at least so many bytes."""
        path = self._jars / f"shop-{label}.jar"
        content = zipped(SPRING.replace(b"1.4.2", label.encode()))
        path.write_bytes(bytes(max(0, size - len(content))) + content)
        return path

    def process(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """The command line in a process of its own."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT / 'cli'}:{ROOT / 'layers' / 'twinslot'}",
            **self.aws.variables(),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "twinslot_cli", *arguments],
            **{
                "env": environment,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                **options,
            },
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    pace = Pace(schedule_factor=0.0001, retry_seconds=(0.2, 1.0), agent_latency=0.05, agent_silence=600)
    with pytest.MonkeyPatch.context() as patch:
        aws = Account("127.0.0.1", ROOT / "template.yaml", {}, folder, pace, Listener())
        made = World(aws, folder)
        try:
            patch.setenv("AWS_REGION", "eu-central-1")
            # The simulated hosts are in this process, and at work also between tests.
            for service in ("S3", "SSM"):
                patch.setenv(f"AWS_ENDPOINT_URL_{service}", aws.endpoint)
            patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.host_services.endpoint)
            yield made
        finally:
            made.hosts.close()
            aws.close()


@pytest.fixture
def twinslot(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """The command line in this process, on the account."""
    for name, value in world.aws.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)

    def run(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["twinslot", *arguments])
        code = main.main()
        told = capsys.readouterr()
        return Run(code, told.out, told.err)

    return run
