"""The paths of an app's files on a host, and the names of its two slots."""

from __future__ import annotations

import hashlib

OTHER = {"blue": "green", "green": "blue"}


class Paths:
    """The paths of one app. A reboot empties /run, on purpose.

    Without an app there are only the paths that preparing a machine needs: the lock, the fence and the record
    of an installation.
    """

    def __init__(self, app: str, root: str = "") -> None:
        self.app = app
        self.program = f"{root}/opt/twinslot/twinslot_host.py"
        self.home = f"{root}/opt/twinslot/{app}".rstrip("/")
        self.releases = f"{self.home}/releases"
        self.slots = f"{self.home}/slots"
        self.state = f"{root}/var/lib/twinslot/{app}".rstrip("/")
        self.work = f"{self.state}/work"
        self.live = f"{self.state}/live"
        self.green = f"{self.live}/green"
        self.acme = f"{self.state}/acme"
        self.fence = f"{self.state}/fence"
        self.settings = f"{self.state}/settings.json"
        self.ledger = f"{self.state}/ledger.json"
        # Packages belong to the machine. No app can have these two as its name.
        self.installing = f"{root}/var/lib/twinslot/.installing"
        self.installing_lock = f"{root}/run/twinslot/installing.lock"
        self.retire_at = f"{self.state}/retire_at"
        self.run = f"{root}/run/twinslot/{app}".rstrip("/")
        self.standby = f"{self.run}/standby"
        self.verified = f"{self.run}/verified"
        self.units = f"{root}/etc/systemd/system"
        self.conf_d = f"{root}/etc/nginx/conf.d"
        self.conf = f"{self.conf_d}/twinslot-{app}.conf"
        self.access_log = f"{root}/var/log/nginx/twinslot-{app}.log"
        self.secrets = f"{self.state}/secrets"
        self.retire_unit = f"twinslot-{app}-retire"

    def unit(self, slot: str) -> str:
        """Return the systemd unit of a slot."""
        return f"twinslot-{self.app}@{slot}.service"

    def user(self) -> str:
        """Return the system user that the app runs as: at most 31 characters, cut names with a hash."""
        name = f"twinslot-{self.app}"
        if len(name) <= 31:
            return name
        return name[:22] + "-" + hashlib.sha256(name.encode()).hexdigest()[:8]

    def release(self, sha256: str) -> str:
        """Return the folder of a release."""
        return f"{self.releases}/{sha256[:12]}"

    def jdk(self, slot: str) -> str:
        """Return the link to the Java that runs a slot."""
        return f"{self.slots}/{slot}.jdk"

    def kept(self, mark: str) -> str:
        """Return the file with the environment of this fingerprint."""
        return f"{self.secrets}/{mark}"

    def environment(self, slot: str) -> str:
        """Return the link to the environment of a slot's process."""
        return f"{self.secrets}/{slot}.env"

    def content(self, slot: str) -> str:
        """Return the file that records what a slot holds; its other files are made from it."""
        return f"{self.state}/{slot}.json"
