"""Builds the view of an act."""

from __future__ import annotations

from dataclasses import replace

from twinslot.announce.commands import Commands
from twinslot.announce.facts import FULL, Cause, Jar, LiveNow
from twinslot.announce.view import View
from twinslot.announce.wording import DRIFT, FROZEN, STARTED, UNFROZEN
from twinslot.domain.model import (
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Deployment,
    Failure,
    Kind,
    Live,
    Release,
    Warn,
)
from twinslot.shared.constants import VERSION

AnnouncingAct = Announce | AnnounceStart | AnnounceFreeze | Warn


def view_of(act: AnnouncingAct, commands: Commands) -> View:
    """Return the view of an act. Raises ValueError for a deployment that has not ended."""
    match act:
        case Announce():
            return view_of_end(act.deployment, act.live, act.previous, commands)
        case AnnounceStart():
            return _of_deployment(act.id, STARTED, act.deployment, act.live).within(FULL)
        case AnnounceFreeze():
            return _of_freeze(act, commands)
        case Warn():
            return View(
                id=act.id,
                app=act.app,
                outcome=DRIFT,
                written_by=VERSION,
                live=_live(act.live),
                differences=tuple((found.host, found.what) for found in act.differences),
            ).within(FULL)


def view_of_end(
    deployment: Deployment, live: Live | None, previous: Live | None, commands: Commands | None = None
) -> View:
    """Return the view of a deployment that has ended; it has a way back only where it names a command.

    Raises ValueError for one that has not ended.
    """
    if deployment.outcome is None:
        raise ValueError(f"{deployment.id} has no outcome to announce")
    # A join moved nothing that a rollback would take back.
    back = previous if commands and deployment.kind is not Kind.JOIN else None
    return replace(
        _of_deployment(deployment.id, deployment.outcome, deployment, live),
        previous=_live(back),
        command=commands.rollback(deployment.app, back.deployment) if commands and back else "",
        cause=_cause(deployment.failure) if deployment.failure else None,
        seconds=tuple(deployment.seconds().items()),
        unconfirmed=deployment.unconfirmed,
    ).within(FULL)


def _of_deployment(id: str, outcome: str, deployment: Deployment, live: Live | None) -> View:
    """Return what a deployment's start and its end have in common."""
    return View(
        id=id,
        app=deployment.app,
        outcome=outcome,
        written_by=VERSION,
        deployment=deployment.id,
        kind=deployment.kind,
        jar=_jar(deployment.release) if deployment.release else None,
        key=deployment.order.key,
        by=deployment.by,
        live=_live(live),
        hosts=deployment.hosts,
    )


def _of_freeze(act: AnnounceFreeze, commands: Commands) -> View:
    return View(
        id=act.id,
        app=act.app,
        outcome=FROZEN if act.frozen else UNFROZEN,
        written_by=VERSION,
        by=act.by,
        live=_live(act.live),
        cause=Cause(act.why) if act.why else None,
        waiting=act.waiting or "",
        command=commands.unfreeze(act.app) if act.frozen else "",
    ).within(FULL)


def _live(live: Live | None) -> LiveNow | None:
    return LiveNow(live.release.label, live.deployment, live.since) if live else None


def _jar(release: Release) -> Jar:
    return Jar(release.label, f"s3://{release.bucket}/{release.key}", release.version)


def _cause(failure: Failure) -> Cause:
    return Cause(failure.reason, failure.phase, failure.host or "", failure.log)
