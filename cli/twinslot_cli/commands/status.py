"""`twinslot status`: what is live, what is under way, and what each host's slots contain."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from twinslot.aws.store import HostSnapshot, Unreadable
from twinslot.domain.model import Application, plain
from twinslot.errors import OtherVersion

from twinslot_cli.aws.stack import Stack
from twinslot_cli.output.json_output import deployment_json, live_json
from twinslot_cli.output.terminal import Terminal, duration, line, styled, timestamp
from twinslot_cli.output.watch import heading, why_waiting

NAME_COLUMNS = 10
INDENT = 2 + NAME_COLUMNS
FIRST_DEPLOYMENT = "No app was ever deployed here. To deploy one: twinslot deploy shop-1.0.0.jar --app shop"


@dataclass(frozen=True)
class AppStatus:
    """An app's state, the last report of each of its hosts, and what only another version can read."""

    application: Application
    reports: Sequence[HostSnapshot]
    unreadable: Sequence[str] = ()


def status(stack: Stack, terminal: Terminal, app: str | None) -> int:
    """Show one app, or all that are live, under way or frozen; return 0. Raises CannotWork."""
    found, unreadable = ([_read(stack, app)], []) if app else _read_all(stack)
    if not found and not unreadable:
        terminal.print(FIRST_DEPLOYMENT)
    now = time.time()
    for number, each in enumerate(found):
        if number:
            terminal.print("")
        for row in rows(each, now, terminal.width):
            terminal.print(row, indent=INDENT)
    for note in unreadable:
        terminal.print(styled(note, "yellow"))
    terminal.print_json({"apps": [_json(each) for each in found], "unreadable": unreadable})
    return 0


def rows(status: AppStatus, now: float, columns: int) -> list[Text]:
    """Return an app's status as lines of text."""
    application = status.application
    found = [_live(application, now)]
    if application.previous:
        found.append(_row("previous", application.previous.release.label))
    if current := application.current:
        entered = current.timeline[-1].at if current.timeline else now
        phase = f"{current.phase.value} for {duration(now - entered)}"
        found.append(_row("under way", f"{heading(current)}: {phase}", f"  {current.id}, by {current.by}"))
    if waiting := application.waiting:
        why = why_waiting(application)
        found.append(_row("waiting", heading(waiting) + (f": {why}" if why else "")))
    if freeze := application.freeze:
        found.append(_row("frozen", f"by {freeze.by} since {timestamp(freeze.since)}: {freeze.why}"))
    found += [row for report in status.reports for row in _host(report, now, columns)]
    found += [_row("drift", styled(f"{each.host}: {each.what}", "yellow")) for each in application.drift]
    found += [_row("unreadable", styled(note, "yellow")) for note in status.unreadable]
    return found


def _read(stack: Stack, app: str) -> AppStatus:
    """Read an app's status. Raises CannotWork for an unknown app, OtherVersion for unreadable state."""
    application, hosts = stack.application(app), stack.store.host_snapshots(app)
    reports = [each for each in hosts if isinstance(each, HostSnapshot)]
    unreadable = [f"host {each}" for each in hosts if isinstance(each, Unreadable)]
    return AppStatus(application, reports, [*application.unreadable, *unreadable])


def _read_all(stack: Stack) -> tuple[list[AppStatus], list[str]]:
    """Return the apps whose state can be read, and a note for each of the others."""
    found, unreadable = [], []
    for app in stack.apps():
        try:
            found.append(_read(stack, app))
        except OtherVersion as error:
            unreadable.append(str(error))
    return found, unreadable


def _live(application: Application, now: float) -> Text:
    name = styled(f"{application.name:<{NAME_COLUMNS}}  ", "bold")
    live = application.live
    if live is None:
        return line(name, styled("nothing is live", "yellow"))
    since = f"  live since {timestamp(live.since)} ({duration(now - live.since)})"
    return line(name, styled(live.release.label, "bold green"), styled(since))


def _host(snapshot: HostSnapshot, now: float, columns: int) -> list[Text]:
    """Return the slots and the time of the report: in one row, or in two where one is too long."""
    report = snapshot.report
    slots: list[str | Text] = []
    for name, slot in sorted(report.slots.items()):
        mark = styled("●", "green") if name == report.live else styled("○", "dim")
        # An empty slot is never active, so its state is left out.
        state = "" if slot.state == "active" else f" ({slot.state})"
        slots += ["   ", mark, f" {name} {slot.label + state if slot.label else 'empty'}"]
    row = _row("host", line(report.host, *slots))
    age = styled(f"last report {duration(now - snapshot.at)} ago", "dim")
    beside = line(row, "   ", age)
    return [beside] if beside.cell_len <= columns else [row, _row("", age)]


def _row(name: str, text: str | Text, note: str = "") -> Text:
    return line(styled(f"  {name:<{NAME_COLUMNS}}", "dim"), text, styled(note, "dim"))


def _json(status: AppStatus) -> dict[str, object]:
    """Return an app's status as docs/cli.md describes it."""
    application = status.application
    return {
        "app": application.name,
        "live": live_json(application.live),
        "previous": live_json(application.previous),
        "current": deployment_json(application.current),
        "waiting": deployment_json(application.waiting),
        "frozen": plain(application.freeze) if application.freeze else None,
        "drift": [plain(each) for each in application.drift],
        "hosts": [_host_json(each) for each in status.reports],
        "unreadable": list(status.unreadable),
    }


def _host_json(snapshot: HostSnapshot) -> dict[str, object]:
    report = snapshot.report
    return {
        "host": report.host,
        "heard": snapshot.at,
        "live": report.live,
        "standby": report.standby,
        "slots": {
            name: {
                "label": slot.label,
                "sha256": slot.release,
                "state": slot.state,
                "verified": slot.verified,
            }
            for name, slot in report.slots.items()
        },
    }
