"""The invariants, one function each; it returns what is violated, or "".

Those of ALWAYS hold for the states before and after each action; those of AT_THE_END hold for a state without
further events, after enough scheduled checks.
"""

from __future__ import annotations

from collections.abc import Callable

from twinslot.announce.wording import DRIFT, FROZEN, UNFROZEN
from twinslot.domain.deployment_id import TIME_CHARACTERS
from twinslot.domain.model import Deployment, Kind, Outcome

from lab.model.search.actions import REPLACED
from lab.model.system.aggregate import application
from lab.model.system.aggregate import records as history
from lab.model.system.fake_aws import HOSTS
from lab.model.system.host import Command, Host, finished
from lab.model.system.state import State


def _changed(before: State, after: State) -> bool:
    return before.table is not after.table


def traffic_goes_to_verified_releases_only(before: State, after: State) -> str:
    """Requests never go to a release that was not verified on that host."""
    for name, was, is_ in zip(HOSTS, before.hosts, after.hosts, strict=False):
        traffic = is_.traffic
        if traffic and traffic != was.traffic and traffic.release not in is_.proved:
            return f"{name} sends requests to {traffic.release}, which was never verified there"
        if is_.live != was.live and traffic and not traffic.verified:
            return f"{name} moved requests to {traffic.release}, whose process is not verified"
    return ""


def flips_wait_for_every_host(before: State, after: State) -> str:
    """Hosts are sent the flip only when every one of them has verified the release."""
    if before.commands is after.commands:
        return ""
    sent = {command.id for command in before.commands}
    for command in after.commands:
        if command.verb == "flip" and not command.reverts and command.id not in sent:
            staged = command._replace(step="stage")
            behind = [
                name
                for name, host, part in zip(HOSTS, after.hosts, command.parts, strict=False)
                if part.sent and not _has_staged(host, staged)
            ]
            if behind:
                return f"{command.id} was sent before {', '.join(behind)} had verified {command.release}"
    return ""


def _has_staged(host: Host, staged: Command) -> bool:
    """Return whether this host staged it, or the host that it replaced may have."""
    report = finished(host, staged)
    return host.renewed if report is None else report.ok


def one_deployment_acts(before: State, after: State) -> str:
    """At most one deployment of an app acts on a host: after a newer command no older one acts."""
    for name, was, is_ in zip(HOSTS, before.hosts, after.hosts, strict=False):
        if is_.acted < was.acted:
            return f"{name} acted on a command with fence {is_.acted} after one with fence {was.acted}"
    return ""


def nothing_accepted_is_lost(before: State, after: State) -> str:
    """What was accepted waits, is under way or has ended: no other controller's write loses it."""
    if not _changed(before, after):
        return ""
    app = application(after)
    known = {present.id for present in (app.current, app.waiting) if present}
    records = history(after)
    open_ = {id for id, record in records.items() if record.outcome is None}
    if open_ - known:
        return f"{', '.join(open_ - known)} was accepted, has no outcome, and is neither current nor waiting"
    ended = known - open_
    return f"{', '.join(ended)} has ended, and is still current or waiting" if ended else ""


def an_outcome_never_changes(before: State, after: State) -> str:
    """A deployment that has ended keeps its outcome, and its record."""
    if not _changed(before, after):
        return ""
    records = history(after)
    for id, record in history(before).items():
        if id not in records:
            return f"the record of {id} is gone"
        if record.outcome and records[id].outcome is not record.outcome:
            return f"{id} ended as {record.outcome}, and now as {records[id].outcome}"
    return ""


def one_input_is_one_deployment(before: State, after: State) -> str:
    """Events are idempotent: the same event twice makes one deployment."""
    if not _changed(before, after):
        return ""
    asked: set[str] = set()
    for id in history(after):
        if id[TIME_CHARACTERS:] in asked:
            return f"one input made two deployments: {id}"
        asked.add(id[TIME_CHARACTERS:])
    return ""


def announcements_are_true_and_idempotent(before: State, after: State) -> str:
    """All announcements of a deployment's end are the same message under its id, with its outcome; so are
    those of its start, which only announce the acceptance."""
    if before.announced is after.announced:
        return ""
    records = history(after)
    messages: dict[str, int] = {}
    for id, outcome, message in after.announced:
        if outcome in (DRIFT, FROZEN, UNFROZEN):
            continue
        deployment, _, started = id.partition("/")
        if messages.setdefault(id, message) != message:
            return f"{id} was announced with two messages"
        if deployment not in records or (records[deployment].outcome != outcome and not started):
            return f"{id} was announced as {outcome}, which is not its outcome"
    return ""


def the_newest_begins(before: State, after: State) -> str:
    """A deployment that begins is newer than all accepted before; only a newer one supersedes. Joins have no
    order."""
    if not _changed(before, after):
        return ""
    was, is_ = application(before).current, application(after).current
    records = {id: record for id, record in history(after).items() if record.kind is not Kind.JOIN}
    if is_ and is_.kind is not Kind.JOIN and (was is None or was.id != is_.id):
        newer = [
            record.id for record in records.values() if record.order.at > is_.order.at and _taken(record)
        ]
        if newer:
            return f"{is_.id} began, and {newer[0]} is newer"
    for record in records.values():
        if record.outcome is Outcome.SUPERSEDED and not any(
            other.order.at > record.order.at and other.id != record.id for other in records.values()
        ):
            return f"{record.id} was superseded, and nothing is newer"
        if record.outcome is Outcome.CANCELLED and not any(
            other.kind is Kind.ROLLBACK and other.id != record.id for other in records.values()
        ):
            return f"{record.id} was cancelled, and there is no other rollback"
    return ""


def _taken(record: Deployment) -> bool:
    return record.outcome is not Outcome.REFUSED


def a_join_is_for_newcomers_alone(before: State, after: State) -> str:
    """A join commands replaced hosts only, and is never recorded as the deployment that made a release
    live."""
    if before.commands is not after.commands:
        for command in after.commands:
            join = history(after).get(command.deployment)
            sent = {name for name, part in zip(HOSTS, command.parts, strict=False) if part.sent}
            if join and join.kind is Kind.JOIN and not sent <= {HOSTS[REPLACED]}:
                return f"{command.id} was sent to {', '.join(sent)}"
    if _changed(before, after):
        app, records = application(after), history(after)
        for live in (app.live, app.previous):
            if live and live.deployment in records and records[live.deployment].kind is Kind.JOIN:
                return f"the join {live.deployment} is recorded as the deployment of {live.release.label}"
    return ""


def what_is_frozen_does_not_begin(before: State, after: State) -> str:
    """No upload begins while its app is frozen."""
    if not _changed(before, after):
        return ""
    was, is_ = application(before), application(after)
    begun = is_.current and (was.current is None or was.current.id != is_.current.id)
    if is_.current and begun and is_.freeze and is_.current.kind is Kind.UPLOAD:
        return f"{is_.current.id} began, although {is_.freeze.by} froze the app"
    return ""


def no_controller_fails_unexpectedly(before: State, after: State) -> str:
    """A controller ends without an error or with a TwinslotError."""
    return next((process.node.error for process in after.running if process.node.error), "")


ALWAYS: tuple[Callable[[State, State], str], ...] = (
    traffic_goes_to_verified_releases_only,
    flips_wait_for_every_host,
    one_deployment_acts,
    nothing_accepted_is_lost,
    an_outcome_never_changes,
    one_input_is_one_deployment,
    announcements_are_true_and_idempotent,
    the_newest_begins,
    a_join_is_for_newcomers_alone,
    what_is_frozen_does_not_begin,
    no_controller_fails_unexpectedly,
)


def everything_ends(end: State) -> str:
    """After the last event and enough scheduled checks nothing is under way or left to do."""
    app = application(end)
    if app.busy:
        current = app.current
        left = f"{current.id} is {current.phase}" if current else f"the outbox holds {app.outbox[0].id}"
        return f"scheduled checks do not end it: {left}"
    return ""


def everything_is_announced(end: State) -> str:
    """Every accepted deployment has ended with an outcome and was announced at least once, except an upload
    that a freeze keeps waiting."""
    announced = {id for id, _, _ in end.announced}
    app = application(end)
    for id, record in history(end).items():
        if app.kept_frozen and app.waiting and app.waiting.id == id:
            continue
        if record.outcome is None:
            return f"{id} has no outcome"
        if id not in announced:
            return f"{id} ended as {record.outcome}, and was not announced"
    return ""


def the_newest_wins(end: State) -> str:
    """The newest accepted deployment was not superseded or cancelled; if it ended LIVE, it is live."""
    records = [each for each in history(end).values() if _taken(each) and each.kind is not Kind.JOIN]
    last = max((record.order.at for record in records), default=0.0)
    # Several only when rollbacks were delivered at the same time: then any of them may win.
    newest = [record for record in records if record.order.at == last]
    winners = [record for record in newest if record.outcome not in (Outcome.SUPERSEDED, Outcome.CANCELLED)]
    if newest and not winners:
        return f"{newest[0].id} is the newest, and {newest[0].outcome}"
    live = application(end).live
    for record in winners:
        if record.outcome is Outcome.LIVE and (live is None or live.deployment != record.id):
            return f"{record.id} is the newest and LIVE, and {live.deployment if live else 'nothing'} is live"
    return ""


AT_THE_END: tuple[Callable[[State], str], ...] = (everything_ends, everything_is_announced, the_newest_wins)
