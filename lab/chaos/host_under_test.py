"""One application with one host, on which faults are injected one at a time."""

import http.client
import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.chaos.calls import Calls
from lab.chaos.fault_injector import FaultInjector
from lab.samples.build import build
from lab.sandbox.hosts.machine import STATE
from lab.sandbox.sandbox import Host, Sandbox
from lab.sandbox.services.sns import Announcement
from lab.sandbox.traffic.load_generator import Load

JARS = STATE / "chaos-jars"
RECORDS = STATE / "chaos-load"
SETTINGS: Mapping[str, Any] = {"start_seconds": 30, "bake_seconds": 2, "keep_warm_seconds": 900}
GOOD_SECONDS = 90.0
"""How long a deployment without a fault may take, while the machine is busy with other hosts."""

RATE, CONNECTIONS = 60.0, 12
SMALL_DISKS = {"/opt/twinslot": "80m", "/var/lib/twinslot": "8m", "/run/twinslot": "1m"}

NUMBERS = itertools.count(1)


class InvariantViolated(Exception):
    """What must hold under a fault does not; the text names what was found instead."""


@dataclass(frozen=True)
class Upload:
    """A jar that was put into the bucket."""

    label: str
    key: str
    version: str


class HostUnderTest:
    """One application on one host, for this purpose only. `kind` "small-disks" keeps what the program writes
    on filesystems of a few megabytes.

    `live` is the label that users should get, according to the last good deployment.
    """

    def __init__(self, sandbox: Sandbox, calls: Calls, kind: str = "plain") -> None:
        self.sandbox = sandbox
        self.calls = calls
        self.kind = kind
        self.live = ""
        self._uploaded = 0
        self.app = f"shop-{next(NUMBERS):03d}"
        self.configure()
        self.host: Host = sandbox.add_host(self.app)
        self.machine = self.host.machine
        self.fault_injector = FaultInjector(self.machine)
        if kind == "small-disks":
            for place, size in SMALL_DISKS.items():
                self.shell(
                    f"mkdir -p {place} && mount -t tmpfs -o mode=755,nr_inodes=600,size={size} none {place}"
                )
        self.fault_injector.install()
        self.until(self.is_online, 20, "the agent is online")

    def close(self) -> None:
        self.sandbox.terminate(self.host)

    def configure(self, **changed: Any) -> None:
        """Write the application's settings: SETTINGS, changed by these."""
        self.sandbox.set(self.app, {**SETTINGS, **changed})

    def upload(self, faults: str = "", key: str | None = None) -> Upload:
        """Upload a new release of the sample application with these faults of lab.samples."""
        label = f"{self.app[-3:]}-{next(NUMBERS)}"
        jar = build(JARS, label, faults)
        key = key or f"{self.app}/{jar.name}"
        self._uploaded = int(time.time())
        return Upload(label, key, self.sandbox.upload(jar, key))

    def outcome(self, upload: Upload, seconds: float = GOOD_SECONDS) -> str:
        """Return how the deployment of an upload ended. Raises TimeoutError."""
        announcement = self.announced(lambda each: _is_about(each, upload), seconds)
        if announcement.data["outcome"] == "LIVE":
            self.live = upload.label
        return str(announcement.data["outcome"])

    def announced(
        self, wanted: Callable[[Announcement], bool], seconds: float, after: int = 0
    ) -> Announcement:
        """Return the application's first wanted announcement after the first `after` of all. Raises
        TimeoutError."""
        return self.sandbox.announcements.wait_for(
            lambda each: each.attributes.get("app") == self.app and wanted(each), seconds, after
        )

    def announcements(self, after: int = 0) -> list[Announcement]:
        """Return the application's announcements after the first `after` of all, without those of a start."""
        every = self.sandbox.announcements.all()[after:]
        own = [each for each in every if each.attributes.get("app") == self.app]
        return [each for each in own if each.data.get("outcome") != "STARTED"]

    def deploy(self) -> Upload:
        """Deploy a good release, which has to go live. Raises InvariantViolated when it does not.

        The upload is in a later second than the previous one: S3's events have whole seconds, and what
        follows from that is tested in faults/uploads.py.
        """
        self.until(lambda: int(time.time()) > self._uploaded, 2, "the next second")
        upload = self.upload()
        outcome = self.outcome(upload)
        if outcome != "LIVE":
            announcement = self.announced(lambda each: _is_about(each, upload), 1)
            raise InvariantViolated(
                f"a good release ended {outcome}: {(announcement.data['failure'] or {}).get('reason')}"
            )
        self.must_serve(upload.label)
        return upload

    def make_ready(self) -> None:
        """Deploy until one release is live and the previous one is a warm standby."""
        while not self.live or not self.report()["standby"]:
            self.deploy()

    def load(self, name: str, posts: bool) -> Load:
        """Return the host's users, a context manager; `name` is the fault, which names the file of
        records."""
        records = RECORDS / f"{self.app}-{name.replace('/', '_')}.tsv"
        return Load(self.host.address, records, RATE, CONNECTIONS, posts=posts)

    def shell(self, text: str) -> str:
        return self.fault_injector.shell(text)

    def is_online(self) -> bool:
        agent = self.sandbox.run_command.agents().get(self.host.instance_id)
        return agent is not None and self.sandbox.run_command.is_online(agent)

    def serving(self) -> str:
        """Return the label of the release that a user gets now; "" for none."""
        connection = http.client.HTTPConnection(self.host.address, timeout=5)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.headers.get("X-Release", "") if answer.status == 200 else ""
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()

    def must_serve(self, label: str) -> None:
        """Raise InvariantViolated unless users get this release now."""
        got = self.serving()
        if got != label:
            raise InvariantViolated(f"users get {got or 'nothing'} instead of {label}")

    def report(self) -> dict[str, Any]:
        """Return the host's own report, requested by an operator over SSM."""
        return self.command("report")

    def command(self, verb: str, seconds: float = 60) -> dict[str, Any]:
        """Send a command as an operator would, and return its report. Raises TimeoutError."""
        ssm = self.sandbox.client("ssm")
        sent = ssm.send_command(
            DocumentName=self.sandbox.outputs["HostDocumentName"],
            InstanceIds=[self.host.instance_id],
            Parameters={"verb": [verb], "app": [self.app], "step": [verb]},
        )["Command"]["CommandId"]
        command = self.sandbox.run_command.find(sent)
        assert command is not None
        invocation = command.invocations[self.host.instance_id]
        self.until(lambda: invocation.finished, seconds, f"{verb} ends")
        report: dict[str, Any] = json.loads(invocation.stdout)
        return report

    def slot_of(self, label: str) -> tuple[str, int]:
        """Return the slot that holds a release, and the pid of its process. Raises InvariantViolated."""
        for slot, about in self.report()["slots"].items():
            if about["label"] == label:
                return slot, int(about["pid"])
        raise InvariantViolated(f"no slot holds {label}")

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a condition. Raises TimeoutError with `what`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:g} s: {what}")
            time.sleep(0.05)


def _is_about(announcement: Announcement, upload: Upload) -> bool:
    data = announcement.data
    release = data.get("release")
    is_its_own = release is None or release["version"] == upload.version
    return announcement.tells_an_end and data.get("key") == upload.key and is_its_own
