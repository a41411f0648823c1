"""What is promised, a function a promise; each says what is wrong, or "".

Those of ALWAYS look at a move and hold over every one; those of AT_THE_END look at a world in which nothing
came any more and enough ticks have passed.
"""

from __future__ import annotations

from collections.abc import Callable

from twinslot.announce.wording import DRIFT, FROZEN, UNFROZEN
from twinslot.domain.deployment_id import TIME_CHARACTERS
from twinslot.domain.model import Deployment, Kind, Outcome

from lab.model.actions import REPLACED
from lab.model.aggregate import application
from lab.model.aggregate import records as history
from lab.model.fake_aws import HOSTS
from lab.model.host import Command, Host, finished
from lab.model.state import State


def _changed(before: State, after: State) -> bool:
    return before.table is not after.table


def traffic_goes_to_verified_releases_only(before: State, after: State) -> str:
    """Traffic is never sent to a release that was not verified on that host."""
    for name, was, is_ in zip(HOSTS, before.hosts, after.hosts, strict=False):
        traffic = is_.traffic
        if traffic and traffic != was.traffic and traffic.release not in is_.proved:
            return f"{name} sends traffic to {traffic.release}, which was never verified there"
        if is_.live != was.live and traffic and not traffic.verified:
            return f"{name} moved traffic to {traffic.release}, whose process is not verified"
    return ""


def flips_wait_for_every_host(before: State, after: State) -> str:
    """Hosts are told to flip only when every one of them has verified the release."""
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
    """Whether it did, or one that it replaced may have."""
    report = finished(host, staged)
    return host.renewed if report is None else report.ok


def one_deployment_acts(before: State, after: State) -> str:
    """At most one deployment of an app acts on a host: once a newer command acted, no older one does."""
    for name, was, is_ in zip(HOSTS, before.hosts, after.hosts, strict=False):
        if is_.acted < was.acted:
            return f"{name} acted on a command with fence {is_.acted} after one with fence {was.acted}"
    return ""


def nothing_accepted_is_lost(before: State, after: State) -> str:
    """What was accepted waits, is under way or has ended: no other controller's write makes it vanish."""
    if not _changed(before, after):
        return ""
    held = application(after)
    known = {present.id for present in (held.current, held.waiting) if present}
    records = history(after)
    open_ = {id for id, record in records.items() if record.outcome is None}
    if open_ - known:
        return f"{', '.join(open_ - known)} was accepted, has no outcome, and nobody works on it"
    ended = known - open_
    return f"{', '.join(ended)} has ended, and is still worked on" if ended else ""


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
    """The same event twice is one deployment."""
    if not _changed(before, after):
        return ""
    asked: set[str] = set()
    for id in history(after):
        if id[TIME_CHARACTERS:] in asked:
            return f"two deployments were made of what was asked once: {id}"
        asked.add(id[TIME_CHARACTERS:])
    return ""


def announcements_are_true_and_recognisable(before: State, after: State) -> str:
    """All announcements of a deployment's end are the same message under its id, and tell the outcome it has;
    and so are those of its start, which say no more than that it was accepted."""
    if before.announced is after.announced:
        return ""
    records = history(after)
    messages: dict[str, int] = {}
    for id, outcome, message in after.announced:
        if outcome in (DRIFT, FROZEN, UNFROZEN):
            continue
        deployment, _, started = id.partition("/")
        if messages.setdefault(id, message) != message:
            return f"{id} was announced in two ways"
        if deployment not in records or (records[deployment].outcome != outcome and not started):
            return f"{id} was announced as {outcome}, which is not its outcome"
    return ""


def the_newest_begins(before: State, after: State) -> str:
    """What begins is newer than all that was accepted before; only something newer supersedes. A join is
    neither newer nor older than anything."""
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
            return f"{record.id} was cancelled, and nobody called for a rollback"
    return ""


def _taken(record: Deployment) -> bool:
    return record.outcome is not Outcome.REFUSED


def a_join_is_for_newcomers_alone(before: State, after: State) -> str:
    """A join commands no host that was not replaced, and never counts as what brought a release live."""
    if before.commands is not after.commands:
        for command in after.commands:
            join = history(after).get(command.deployment)
            sent = {name for name, part in zip(HOSTS, command.parts, strict=False) if part.sent}
            if join and join.kind is Kind.JOIN and not sent <= {HOSTS[REPLACED]}:
                return f"{command.id} was sent to {', '.join(sent)}"
    if _changed(before, after):
        held, records = application(after), history(after)
        for live in (held.live, held.previous):
            if live and live.deployment in records and records[live.deployment].kind is Kind.JOIN:
                return f"the join {live.deployment} counts as what brought {live.release.label}"
    return ""


def what_is_frozen_does_not_begin(before: State, after: State) -> str:
    """While an app is frozen no upload begins."""
    if not _changed(before, after):
        return ""
    was, is_ = application(before), application(after)
    begun = is_.current and (was.current is None or was.current.id != is_.current.id)
    if is_.current and begun and is_.freeze and is_.current.kind is Kind.UPLOAD:
        return f"{is_.current.id} began, and {is_.freeze.by} froze the app"
    return ""


def no_controller_is_surprised(before: State, after: State) -> str:
    """A controller ends well or with an error of its own, never with one that nobody thought of."""
    return next((process.node.error for process in after.running if process.node.error), "")


ALWAYS: tuple[Callable[[State, State], str], ...] = (
    traffic_goes_to_verified_releases_only,
    flips_wait_for_every_host,
    one_deployment_acts,
    nothing_accepted_is_lost,
    an_outcome_never_changes,
    one_input_is_one_deployment,
    announcements_are_true_and_recognisable,
    the_newest_begins,
    a_join_is_for_newcomers_alone,
    what_is_frozen_does_not_begin,
    no_controller_is_surprised,
)


def everything_ends(end: State) -> str:
    """After the last event and enough ticks nothing is under way and nothing is left to do."""
    held = application(end)
    if held.busy:
        current = held.current
        left = f"{current.id} is {current.phase}" if current else f"the outbox holds {held.outbox[0].id}"
        return f"ticks do not end it: {left}"
    return ""


def everything_is_announced(end: State) -> str:
    """Every deployment that was accepted has ended in one outcome and was announced at least once, but for
    the upload that a freeze keeps waiting."""
    told = {id for id, _, _ in end.announced}
    held = application(end)
    for id, record in history(end).items():
        if held.kept_frozen and held.waiting and held.waiting.id == id:
            continue
        if record.outcome is None:
            return f"{id} has no outcome"
        if id not in told:
            return f"{id} ended as {record.outcome}, and nobody was told"
    return ""


def the_newest_wins(end: State) -> str:
    """The newest of all that was accepted ended on its own merits; if that is LIVE, it is what is live."""
    records = [each for each in history(end).values() if _taken(each) and each.kind is not Kind.JOIN]
    last = max((record.order.at for record in records), default=0.0)
    # More than one only when rollbacks were delivered in the same moment: then any of them may win.
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
