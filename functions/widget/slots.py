"""Draws the two slots of each host, as in its last report."""

from twinslot.announce.wording import Tone
from twinslot.aws.store import HostSnapshot
from twinslot.domain.model import Application, SlotReport

from .markup import Markup, element, join
from .reading import Shown
from .view import View, pill, span

MAX_HOSTS = 12
SILENT_SECONDS = 3600
"""Hosts report every quarter of an hour."""

GONE_SECONDS = 7 * 86_400
"""A terminated host's last report stays in the table; after so long it is no longer drawn."""

STATES = {"active": "running", "activating": "starting", "deactivating": "stopping", "inactive": "stopped"}
"""systemd's ActiveState, in words for people."""


def slots(shown: Shown, view: View) -> Markup | None:
    """Draw all hosts; None when there are none."""
    recent = [each for each in shown.snapshots if view.now - each.at < GONE_SECONDS]
    more = len(recent) - MAX_HOSTS
    if not recent:
        return None
    return element(
        "div",
        *[_host(each, shown.application, view) for each in recent[:MAX_HOSTS]],
        element("span", f"and {more} more hosts", class_="muted") if more > 0 else None,
        class_="hosts",
    )


def _host(snapshot: HostSnapshot, application: Application, view: View) -> Markup:
    report, age = snapshot.report, view.now - snapshot.at
    silent = age > SILENT_SECONDS
    last = f"no report for {span(age)}" if silent else f"last report {span(age)} ago"
    return element(
        "div",
        element("div", f"{report.host} ", element("span", last, class_="muted"), class_="whose"),
        *[
            _slot(name, report.slots.get(name), report.live == name, application, view)
            for name in ("blue", "green")
        ],
        class_="host silent" if silent else "host",
    )


def _slot(name: str, slot: SlotReport | None, is_live: bool, application: Application, view: View) -> Markup:
    if slot is None or slot.release is None:
        head = element("div", element("span", name, class_="muted"), pill("empty"), class_="head")
        return element("div", head, element("div", "no release", class_="muted"), class_=f"slot {name} empty")
    if is_live:
        badge = element("span", "LIVE", class_="pill traffic")
    else:
        badge = pill("warm", Tone.GOOD) if slot.state == "active" and slot.verified else pill("idle")
    state, since = STATES.get(slot.state, slot.state), _since(slot, is_live, application, view)
    return element(
        "div",
        element("div", element("span", name, class_="muted"), badge, class_="head"),
        element("div", slot.label or slot.release[:12], class_="label"),
        element("div", f"{state}, " if since else state, since, class_="muted"),
        class_=f"slot {name} live" if is_live else f"slot {name}",
    )


def _since(slot: SlotReport, is_live: bool, application: Application, view: View) -> Markup | None:
    """Draw when the slot's release went live, if it is the live or the previous one."""
    for live in (application.live, application.previous):
        if live and live.release.sha256 and live.release.sha256 == slot.release:
            since = view.since(live.since)
            return join("live for ", since) if is_live else join("went live ", since, " ago")
    return None
