"""Refuses to take over a host in a way that would interrupt the service that it has now.

Until the first flip our nginx passes requests to the port of blue (docs/migrating.md relies on that), and the
first release is staged in green.
"""

from __future__ import annotations

import http.client
import shutil

from twinslot.shared.constants import PORTS
from twinslot.shared.settings_schema import Settings

from twinslot_host.nginx.control import live_slot
from twinslot_host.nginx.sites import sites_replaced_in
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import read_text
from twinslot_host.system.paths import Paths
from twinslot_host.system.procfs import owner
from twinslot_host.system.subprocesses import run
from twinslot_host.system.systemd import both_units

PAGE = "see docs/migrating.md"


def is_managed(paths: Paths) -> bool:
    """Return whether twinslot already serves this host's users."""
    return read_text(paths.conf) is not None or live_slot(paths) is not None


def cut_off(paths: Paths, settings: Settings) -> list[str]:
    """Return the files of nginx's servers whose requests would fail if our server replaced them now."""
    if is_managed(paths) or owner(PORTS["blue"]) or not shutil.which("nginx"):
        return []
    if "(nginx)" not in (owner(80) or "") or answers_bad_gateway(settings.server_name.split()[0]):
        return []
    dumped = run("nginx", "-T")
    # ensure_proxy reports a configuration that nginx rejects, and changes nothing either.
    return [] if dumped.code else sites_replaced_in(dumped.output, paths.conf, settings.server_name.split())


def answers_bad_gateway(name: str) -> bool:
    """Return whether nginx answers 502 to this name: a site without a process has no users to interrupt."""
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": name})
        return connection.getresponse().status == 502
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def refuse_interruption(paths: Paths, settings: Settings) -> None:
    """Raise StepFailed, before anything is changed, if taking over this host would interrupt its service."""
    if is_managed(paths):
        return
    green = PORTS["green"]
    occupant = owner(green)
    if occupant and not both_units(paths)["green"].pid:  # ours may run there, with nothing live
        raise StepFailed(
            f"port {green} of the slot green is taken by {occupant}, so nothing was changed: if it has users,"
            f" move them to a process on {PORTS['blue']} ({PAGE}); then stop it, and upload the jar again"
        )
    files = cut_off(paths, settings)
    if files:
        raise StepFailed(
            f"users of {files[0]} would be cut off, so nothing was changed: their requests would go to port"
            f" {PORTS['blue']}, where nothing listens. Move their process there, or name them in its"
            f" server_name ({PAGE}); then upload the jar again"
        )
