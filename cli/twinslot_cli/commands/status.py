"""`twinslot status`: what is live, since when, what each host's slots hold, what is under way."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.text import Text
from twinslot.aws.store import Heard
from twinslot.domain.model import Application, HostReport, Live

from twinslot_cli.aws.errors import CannotWork
from twinslot_cli.aws.stack import Stack, named
from twinslot_cli.output.json_output import deployment_shape, live_shape
from twinslot_cli.output.terminal import Terminal, length, line, moment, shown
from twinslot_cli.output.watch import heading, why_waiting

NAME_COLUMN = 10


@dataclass(frozen=True)
class Standing:
    """An application and what its hosts said last."""

    application: Application
    heard: Sequence[Heard]


def status(stack: Stack, terminal: Terminal, app: str | None) -> int:
    """Show one app, or all that have a live release or something under way; 0. Raises CannotWork."""
    names = [named(app)] if app else stack.apps()
    found = [standing(stack, name) for name in names]
    if not found:
        terminal.say(
            "Nothing was ever deployed here. The first deployment: twinslot deploy shop-1.0.0.jar --app shop"
        )
    now = time.time()
    for number, each in enumerate(found):
        for told in [*([line("")] if number else []), *lines(each, now)]:
            terminal.say(told, hang=2 + NAME_COLUMN)
    terminal.answer({"apps": [document(each) for each in found]})
    return 0


def standing(stack: Stack, app: str) -> Standing:
    """One app. Raises CannotWork for one that was never seen."""
    application = stack.store.load(app)
    if application.version == 0:
        known = ", ".join(stack.apps())
        raise CannotWork(
            f"{app} was never deployed here; there {f'are: {known}' if known else 'is nothing yet'}"
        )
    return Standing(application, stack.store.heard(app))


def lines(standing: Standing, now: float) -> list[Text]:
    """An app as people read it."""
    application = standing.application
    told = [_live(application, now)]
    if application.previous:
        told.append(_entry("before it", application.previous.release.label))
    if current := application.current:
        entered = current.timeline[-1].at if current.timeline else now
        phase = f"{current.phase.value} for {length(now - entered)}"
        told.append(_entry("under way", f"{heading(current)}: {phase}", f"  {current.id}, by {current.by}"))
    if waiting := application.waiting:
        why = why_waiting(application)
        told.append(_entry("waits", heading(waiting) + (f": {why}" if why else "")))
    if freeze := application.freeze:
        told.append(_entry("frozen", f"by {freeze.by} since {moment(freeze.since)}: {freeze.why}"))
    told += [_host(heard, now) for heard in standing.heard]
    told += [
        line(_name("drift"), shown(f"{found.host}: {found.what}", "yellow")) for found in application.drift
    ]
    return told


def document(standing: Standing) -> dict[str, object]:
    """An app as docs/cli.md describes it."""
    application = standing.application
    return {
        "app": application.name,
        "live": live_shape(application.live),
        "previous": live_shape(application.previous),
        "current": deployment_shape(application.current),
        "waiting": deployment_shape(application.waiting),
        "frozen": asdict(application.freeze) if application.freeze else None,
        "drift": [{"host": found.host, "what": found.what} for found in application.drift],
        "hosts": [_host_document(heard) for heard in standing.heard],
    }


def _live(application: Application, now: float) -> Text:
    name = shown(f"{application.name:<{NAME_COLUMN}}  ", "bold")
    live: Live | None = application.live
    if live is None:
        return line(name, shown("nothing is live", "yellow"))
    since = f"  live since {moment(live.since)} ({length(now - live.since)})"
    return line(name, shown(live.release.label, "bold green"), shown(since))


def _host(heard: Heard, now: float) -> Text:
    report: HostReport = heard.report
    slots: list[str | Text] = []
    for name, slot in sorted(report.slots.items()):
        mark = shown("●", "green") if name == report.live else shown("○", "dim")
        # An empty slot runs nothing, of course.
        content = (
            (slot.label + ("" if slot.state == "active" else f" ({slot.state})")) if slot.label else "empty"
        )
        slots += ["   ", mark, f" {name} {content}"]
    return line(_name("host"), report.host, *slots, shown(f"   heard {length(now - heard.at)} ago", "dim"))


def _host_document(heard: Heard) -> dict[str, object]:
    report = heard.report
    return {
        "host": report.host,
        "heard": heard.at,
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


def _entry(name: str, text: str, more: str = "") -> Text:
    return line(_name(name), text, shown(more, "dim"))


def _name(name: str) -> Text:
    return shown(f"{'':<2}{name:<{NAME_COLUMN}}", "dim")
