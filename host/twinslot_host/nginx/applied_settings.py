"""The settings that nginx was last configured by, for those who bring none."""

from __future__ import annotations

import json

from twinslot_host.command.request import Request, Settings, as_settings
from twinslot_host.system.files import read_json, write_file
from twinslot_host.system.paths import Places


def keep_settings(places: Places, settings: Settings) -> None:
    """Notes what users are served by from now on."""
    write_file(places.settings, json.dumps(settings._asdict()))


def settings_of(places: Places, request: Request) -> Settings:
    """Those that came along; else those that were kept, and at first the defaults."""
    kept = None if request.has_settings else read_json(places.settings)
    return as_settings(kept) if kept else request.settings
