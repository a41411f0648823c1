"""The settings that nginx was last configured with, for commands that have none."""

from __future__ import annotations

import json
from dataclasses import asdict

from twinslot.shared.constants import VERSION
from twinslot.shared.settings_schema import Settings, accepted

from twinslot_host.command.request import Request
from twinslot_host.system.files import read_object, write_file
from twinslot_host.system.paths import Paths


def record_settings(paths: Paths, settings: Settings) -> None:
    """Record the settings that nginx is configured with."""
    write_file(paths.settings, json.dumps(dict(asdict(settings), written_by=VERSION)))


def applied_settings(paths: Paths, request: Request) -> Settings:
    """Return the command's settings, else the recorded ones, else the defaults.

    Another version of twinslot may have recorded them: what this one does not know is ignored.
    """
    recorded = None if request.has_settings else read_object(paths.settings)
    return accepted(recorded) if recorded else request.settings
