"""The reports of the steps that were carried out, so that a repeat does nothing."""

from __future__ import annotations

import json

from twinslot_host.command.request import Request
from twinslot_host.system.files import read_json, write_file
from twinslot_host.system.paths import Paths

LEDGER_ENTRIES = 50


def ledger_key(request: Request) -> str:
    """What a repeat is recognised by."""
    return f"{request.deployment}/{request.step}"


def finished(paths: Paths, request: Request) -> str | None:
    """The report of this very step when it has been carried out before."""
    if not request.deployment:
        return None
    entries: dict[str, str] = dict(read_json(paths.ledger) or [])
    return entries.get(ledger_key(request))


def finish(paths: Paths, request: Request, report: str) -> None:
    """Notes the report of a step that was carried out, well or ill."""
    entries = [entry for entry in read_json(paths.ledger) or [] if entry[0] != ledger_key(request)]
    entries.append([ledger_key(request), report])
    write_file(paths.ledger, json.dumps(entries[-LEDGER_ENTRIES:]), 0o600)
