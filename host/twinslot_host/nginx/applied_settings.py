"""The settings that nginx was last configured by, for those who bring none."""

from __future__ import annotations

import json

from twinslot_host.command.request import Request, Settings, as_settings
from twinslot_host.system.files import read_json, write_file
from twinslot_host.system.paths import Paths


def keep_settings(paths: Paths, settings: Settings) -> None:
    """Notes what users are served by from now on."""
    write_file(paths.settings, json.dumps(settings._asdict()))


def settings_of(paths: Paths, request: Request) -> Settings:
    """Those that came along; else those that were kept, and at first the defaults."""
    kept = None if request.has_settings else read_json(paths.settings)
    return as_settings(kept) if kept else request.settings
