"""What the tests do again and again: upload, and wait for the announcement of just that upload."""

from pathlib import Path

from lab.sandbox.sandbox import Sandbox
from lab.sandbox.services.run_command import Command
from lab.sandbox.services.sns import Announcement

SETTINGS = {"start_seconds": 20, "bake_seconds": 2, "keep_warm_seconds": 600}
DEADLINE_SECONDS = 90
"""For one deployment: the first one on a host installs nginx."""


class Deployer:
    """Uploads to one sandbox, and knows each upload's announcement by its version id or its key."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def deploy(self, jar: Path, key: str | None = None, app: str = "shop") -> Announcement:
        """Upload, and wait until the deployment has ended."""
        return self.outcome_of(self._sandbox.upload(jar, key or f"{app}/{jar.name}"))

    def outcome_of(self, version: str, seconds: float = DEADLINE_SECONDS) -> Announcement:
        """How the deployment of this version ended."""
        return self._sandbox.announcements.wait_for(lambda each: _version(each) == version, seconds)

    def refusal_of(self, key: str) -> Announcement:
        """How the upload to this key was refused."""
        return self._sandbox.announcements.wait_for(
            lambda each: each.data.get("key") == key and each.data["outcome"] == "REFUSED", DEADLINE_SECONDS
        )

    def roll_back(self, to: str | None = None, app: str = "shop") -> Announcement:
        """Ask for a rollback, and wait until it has ended."""
        asked = self._sandbox.invoke("Rollback", {"app": app} | ({"to": to} if to else {}))
        return self._sandbox.announcements.wait_for(
            lambda each: each.tells_an_end and each.data["deployment"] == asked["deployment"],
            DEADLINE_SECONDS,
        )

    def count(self, version: str) -> int:
        """How many announcements report the end of this version's deployment."""
        return sum(_version(each) == version for each in self._sandbox.announcements.all())


def given(sandbox: Sandbox) -> list[Command]:
    """Return the commands that were sent for deployments, newest first, without the schedule's `report`."""
    return [each for each in sandbox.run_command.commands() if each.parameters["verb"] != ["report"]]


def _version(announcement: Announcement) -> str | None:
    """The version whose upload's end is announced."""
    if not announcement.tells_an_end or announcement.data["kind"] != "upload":
        return None
    release = announcement.data["release"]
    return release["version"] if release else None
