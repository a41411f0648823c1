"""A host that takes commands as from the SSM agent: the document's script, parameters in its environment."""

import base64
import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from embed import document, script, sources

from lab.samples.build import build
from lab.sandbox.hosts.machine import STATE, Machine, Rack
from tests.host.bucket import Bucket
from tests.waiting import wait_until

Release = dict[str, object]
Report = dict[str, Any]

JARS = STATE.parent / "host-jars"
SCRIPT = "/var/lib/amazon/ssm/_script.sh"
SETTINGS = {"start_seconds": 20, "bake_seconds": 1, "keep_warm_seconds": 600}
MAX_REPORT_BYTES = 2400
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def encoded(value: object) -> str:
    """A parameter that holds JSON."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class HostFixture:
    """A machine, the bucket that it reads from, and the deployments that this test makes there."""

    def __init__(self, machine: Machine, bucket: Bucket) -> None:
        self.machine = machine
        self.bucket = bucket
        self.fence = 0
        lines = document(script(sources()))["mainSteps"][0]["inputs"]["runCommand"]
        machine.write(SCRIPT, "\n".join(lines), 0o700)

    def deployment(self) -> str:
        """Begins a deployment: the next fence, and an id made of it."""
        self.fence += 1
        return f"01ARZ3NDEKTSV4RRFFQ69G5F{ALPHABET[self.fence // 32]}{ALPHABET[self.fence % 32]}"

    def environment(self, verb: str, **given: Any) -> dict[str, str]:
        """The agent's environment for a command."""
        settings = {**SETTINGS, **given.pop("settings", {})}
        values = {"verb": verb, "app": "shop", "step": verb, "fence": str(self.fence), **given}
        values["settings"] = encoded(settings)
        for name in ("release", "previous"):
            values[name] = encoded(given[name]) if given.get(name) else ""
        return {
            **{f"SSM_{name}": str(value) for name, value in values.items()},
            "SSM_COMMAND_ID": "11111111-2222-3333-4444-555555555555",
            "AWS_SSM_INSTANCE_ID": self.machine.name,
            "AWS_SSM_REGION_NAME": "eu-central-1",
            "AWS_ENDPOINT_URL_S3": self.bucket.url,
            "AWS_ENDPOINT_URL_SSM": self.bucket.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.bucket.url,
        }

    def command(self, verb: str, **given: Any) -> Report:
        """Carries a command out, holds its outputs to the contract and returns the report."""
        argv, environment = ["sh", "-c", SCRIPT], self.environment(verb, **given)
        done = self.machine.run(argv, env=environment, timeout_seconds=100)
        assert done.stderr == ""
        assert done.stdout.count("\n") == 1
        assert len(done.stdout.encode()) <= MAX_REPORT_BYTES
        report: Report = json.loads(done.stdout)
        assert done.returncode == (0 if report["ok"] else 1)
        assert (report["twinslot"], report["host"], report["verb"]) == (1, self.machine.name, verb)
        return report

    def go(self, verb: str, **given: Any) -> Report:
        """A command that has to succeed."""
        report = self.command(verb, **given)
        assert report["ok"], report
        return report

    def deploy(self, release: Release, previous: Release | None = None, **given: Any) -> Report:
        """Make a whole deployment, which has to succeed; return the report of its bake."""
        return self._run(("stage", "flip", "bake"), release, previous, **given)

    def make_live(self, release: Release, previous: Release | None = None, **given: Any) -> Report:
        """Stage and flip a release, where a test only needs one that is live; return the report."""
        return self._run(("stage", "flip"), release, previous, **given)

    def _run(
        self, verbs: tuple[str, ...], release: Release, previous: Release | None, **given: Any
    ) -> Report:
        deployment = self.deployment()
        for verb in verbs:
            report = self.go(verb, deployment=deployment, release=release, previous=previous, **given)
        return report

    def shell(self, text: str) -> str:
        """What a shell says in the machine; it has to succeed."""
        done = self.machine.run(["sh", "-c", text], timeout_seconds=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
        """What a user gets on port 80: status, headers, body."""
        connection = http.client.HTTPConnection(self.machine.address, timeout=10)
        try:
            connection.request("GET", path, headers={n.replace("_", "-"): v for n, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def release(self) -> str:
        """The label of the release that users get."""
        return self.get()[1].get("x-release", "")

    def succeeds(self, *argv: str) -> bool:
        """Whether a program in the machine ends with 0."""
        return self.machine.run(argv, timeout_seconds=30).returncode == 0

    def runs(self, slot: str) -> bool:
        """Whether systemd calls a slot active."""
        return self.succeeds("systemctl", "--quiet", "is-active", f"twinslot-shop@{slot}")

    def workers(self) -> frozenset[str]:
        """nginx's worker processes, by their ids."""
        return frozenset(self.shell("pgrep -P $(cat /run/nginx.pid)").split())

    def until_reloaded(self, before: frozenset[str] = frozenset()) -> None:
        """Waits until none of these workers is left, nor more than nginx keeps: for a tenth of a second
        those of before a reload take connections beside the new ones (ngx_process_cycle.c)."""
        kept = int(self.shell("getconf _NPROCESSORS_ONLN"))
        self.until(lambda: len(now := self.workers()) == kept and not now & before)

    def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        """Waits for a condition, which has to come true."""
        wait_until(condition, seconds)


@contextlib.contextmanager
def host_on(rack: Rack, name: str, *, java: bool = True) -> Iterator[HostFixture]:
    """A bare host, with Java or without, and a bucket beside it."""
    bucket = Bucket(rack.gateway)
    machine = rack.boot(name, java=java)
    try:
        yield HostFixture(machine, bucket)
    finally:
        machine.kill()
        bucket.close()


def jar(label: str, faults: str = "") -> Path:
    """The sample application as shop-<label>.jar."""
    return build(JARS, label, faults)
