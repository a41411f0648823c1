"""What happens before the pictures are taken: a busy week of a shop, in minutes, on a real host."""

import time
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.project import ROOT
from lab.samples.build import build
from lab.sandbox.sandbox import Host, Sandbox
from lab.sandbox.services.sns import Announcement
from lab.sandbox.traffic.load_generator import Load

APP = "shop"
JARS = ROOT / "build" / "screenshots"
SETTINGS = {"start_seconds": 10, "bake_seconds": 6}
FIRST = "1.4.1"
GOOD = ""
ERRORS = "errors-after=live+0"
NEVER_HEALTHY = "never-healthy"
PERSON = "anna"
PLAIN = "-plain"
"""The end of a label whose jar is refused: so Spring Boot names the jar that cannot be run."""

REQUESTS_PER_SECOND = 40
CONNECTIONS = 8
PAUSE_SECONDS = 8
"""Between two deployments of the mix: the page's last 90 seconds then show one of each kind."""

DEADLINE_SECONDS = 120


class Story:
    """The app `shop` on one host of a sandbox. From entering, its first release is live, and users send
    requests all the time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        sandbox.set(APP, SETTINGS)
        self.host: Host = sandbox.add_host(APP)
        self.records = JARS / "records.tsv"
        self._users = Load(self.host.address, self.records, REQUESTS_PER_SECOND, CONNECTIONS)

    def __enter__(self) -> Self:
        self.deploy(FIRST)
        self._users.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users.__exit__(kind, error, trace)

    def mix(self, seconds: float) -> None:
        """Deploy what goes live and what does not, in turn, for so long; one that is rolled back at least."""
        end = time.monotonic() + seconds
        labels = (f"1.5.{number}" for number in count())
        acts: tuple[Callable[[], object], ...] = (
            lambda: self.deploy(next(labels), ERRORS),
            lambda: self.deploy(next(labels)),
            self.roll_back,
            lambda: self.deploy(next(labels), NEVER_HEALTHY),
            lambda: self.deploy(next(labels) + PLAIN),
            lambda: self.deploy(next(labels)),
        )
        for act in cycle(acts):
            act()
            if time.monotonic() + PAUSE_SECONDS > end:
                return
            time.sleep(PAUSE_SECONDS)

    def jar(self, label: str, faults: str = GOOD) -> Path:
        """Return the jar of the release with this label."""
        return build(JARS, label, faults)

    def upload(self, label: str, faults: str = GOOD) -> str:
        """Upload a release; return its key."""
        jar = self.jar(label, faults)
        key = f"{APP}/{jar.name}"
        bucket = self.sandbox.outputs["ArtifactBucket"]
        self.sandbox.client("s3").upload_file(str(jar), bucket, key, {"Metadata": {"by": PERSON}})
        return key

    def deploy(self, label: str, faults: str = GOOD) -> Announcement:
        """Deploy a release; return the announcement of its outcome."""
        return self.ended(self.upload(label, faults))

    def roll_back(self) -> Announcement:
        """Have a person go back to the previous release; return the announcement of the outcome."""
        asked = self.sandbox.invoke("Rollback", {"app": APP, "by": PERSON})
        return self.sandbox.announcements.wait_for(
            lambda each: each.tells_an_end and each.data["deployment"] == asked["deployment"],
            DEADLINE_SECONDS,
        )

    def freeze(self, why: str) -> None:
        """Have a person freeze the app: uploads wait."""
        self.sandbox.invoke("Freeze", {"app": APP, "freeze": True, "why": why, "by": PERSON})

    def unfreeze(self) -> None:
        """Have a person unfreeze the app: the upload that waits begins."""
        self.sandbox.invoke("Freeze", {"app": APP, "freeze": False, "by": PERSON})

    def ended(self, key: str) -> Announcement:
        """Wait until the deployment of this upload has ended; return its announcement."""
        return self.sandbox.announcements.wait_for(
            lambda each: each.tells_an_end and each.data["key"] == key, DEADLINE_SECONDS
        )
