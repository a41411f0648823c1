"""The reports of the steps that were carried out: a repeated step prints the same report and does nothing."""

from __future__ import annotations

import contextlib
import json
from typing import NamedTuple

from twinslot.shared.constants import VERSION

from twinslot_host.command.request import Request
from twinslot_host.system.files import read_object, write_file
from twinslot_host.system.paths import Paths

LEDGER_ENTRIES = 50


class Report(NamedTuple):
    """The line of JSON that a command prints, and whether the command succeeded."""

    ok: bool
    text: str


def ledger_key(request: Request) -> str:
    """Return what identifies a step."""
    return f"{request.deployment}/{request.step}"


def read_ledger(paths: Paths) -> dict[str, Report]:
    """Return the reports by step, the oldest first.

    Another version of twinslot may have written the file: an entry that this one cannot read is left out, and
    its step, should it be repeated, is done again, which is idempotent.
    """
    reports = {}
    with contextlib.suppress(AttributeError, TypeError):
        for entry in (read_object(paths.ledger) or {}).get("entries", []):
            key, ok, text = entry.get("step"), entry.get("ok"), entry.get("report")
            if isinstance(key, str) and isinstance(ok, bool) and isinstance(text, str):
                reports[key] = Report(ok, text)
    return reports


def finished(paths: Paths, request: Request) -> Report | None:
    """Return the report of this step if it has been carried out before."""
    return read_ledger(paths).get(ledger_key(request)) if request.deployment else None


def finish(paths: Paths, request: Request, report: Report) -> None:
    """Record the report of a step that was carried out, whether it succeeded or failed."""
    reports = read_ledger(paths)
    reports.pop(ledger_key(request), None)
    reports[ledger_key(request)] = report
    newest = list(reports.items())[-LEDGER_ENTRIES:]
    entries = [{"step": key, "ok": ok, "report": text} for key, (ok, text) in newest]
    write_file(paths.ledger, json.dumps({"written_by": VERSION, "entries": entries}), 0o600)
