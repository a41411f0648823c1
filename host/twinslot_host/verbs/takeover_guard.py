"""A host that is not ours yet may have users already: what would cut them off is refused, before it begins.

Until the first flip our nginx passes users to the port of blue (docs/migrating.md builds on that), and the
first release is staged in green.
"""

from __future__ import annotations

import http.client
import shutil

from twinslot_host.command.request import Settings
from twinslot_host.nginx.control import live_slot
from twinslot_host.nginx.sites import yielding_in
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import read_text
from twinslot_host.system.paths import PORTS, Paths
from twinslot_host.system.procfs import owner
from twinslot_host.system.subprocesses import run
from twinslot_host.system.systemd import both_units

PAGE = "docs/migrating.md tells the way"


def is_ours(paths: Paths) -> bool:
    """Whether users of this host come to us already."""
    return read_text(paths.conf) is not None or live_slot(paths) is not None


def cut_off(paths: Paths, settings: Settings) -> list[str]:
    """The files of nginx's servers whose users would find nobody, if our server took its place now."""
    if is_ours(paths) or owner(PORTS["blue"]) or not shutil.which("nginx"):
        return []
    if "(nginx)" not in (owner(80) or "") or is_dead(settings.server_name.split()[0]):
        return []
    told = run("nginx", "-T")
    # One that nginx rejects will be told by ensure_proxy, which changes nothing either.
    return [] if told.code else yielding_in(told.output, paths.conf, settings.server_name.split())


def is_dead(name: str) -> bool:
    """Whether nginx has nobody to pass users to: a site that was left behind does not keep us out."""
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": name})
        return connection.getresponse().status == 502
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def spare_users(paths: Paths, settings: Settings) -> None:
    """Trouble: there are users whom taking this host over would cut off. Nothing was changed then."""
    if is_ours(paths):
        return
    green = PORTS["green"]
    squatter = owner(green)
    if squatter and not both_units(paths)["green"].pid:  # ours may run there, with nothing live
        raise StepFailed(
            f"port {green} of the slot green is taken by {squatter}, so nothing was changed: if it has users,"
            f" move them to a process on {PORTS['blue']} ({PAGE}); then stop it, and upload again"
        )
    files = cut_off(paths, settings)
    if files:
        raise StepFailed(
            f"users of {files[0]} would be cut off, so nothing was changed: they would come to port"
            f" {PORTS['blue']}, where nobody listens. Move their process there, or name them in its"
            f" server_name ({PAGE}); then upload again"
        )
