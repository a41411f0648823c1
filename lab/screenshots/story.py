"""What happens before the pictures are taken: a week of a shop, in a minute, on a real host."""

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
SETTINGS = {"start_seconds": 20, "bake_seconds": 8}
FIRST = "1.4.1"
FAULTS = {"1.5.0": "errors-after=live+0", "1.5.1": "never-healthy"}
"""What is wrong with which release; the others are good."""

REQUESTS_PER_SECOND = 40
CONNECTIONS = 8
DEADLINE_SECONDS = 120


class Story:
    """The app `shop` on one host of a sandbox. From entering, its first release is live, and users ask for
    something all the time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        sandbox.set(APP, SETTINGS)
        self.host: Host = sandbox.add_host(APP)
        self._users = Load(self.host.address, JARS / "records.tsv", REQUESTS_PER_SECOND, CONNECTIONS)

    def __enter__(self) -> Self:
        self.deploy(FIRST)
        self._users.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users.__exit__(kind, error, trace)

    def jar(self, label: str) -> Path:
        """The release with this label, built once."""
        return build(JARS, label, FAULTS.get(label, ""))

    def upload(self, label: str) -> None:
        """Begin to deploy it."""
        jar = self.jar(label)
        self.sandbox.upload(jar, f"{APP}/{jar.name}")

    def deploy(self, label: str) -> Announcement:
        """Deploy it, and wait for the outcome, whatever it is."""
        self.upload(label)
        return self.ended(label)

    def ended(self, label: str) -> Announcement:
        """How its deployment ended, as soon as it has."""
        return self.sandbox.announcements.wait_for(
            lambda each: _label(each) == label and "seconds" in each.data, DEADLINE_SECONDS
        )


def _label(announcement: Announcement) -> str | None:
    release = announcement.data.get("release")
    return release["label"] if release else None
