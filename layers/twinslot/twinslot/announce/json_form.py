"""An announcement as JSON for programs, stable, fields only ever added:

    {"twinslot": 1,                     the version of this shape
     "written_by": "0.1.0",             the version of twinslot that announced it
     "announcement": "01J…",            the deployment's id: a message with the same one is a repeat
     "deployment": "01J…", "app": "shop", "kind": "upload" | "rollback" | "join", "by": "…",
     "outcome": "LIVE" | "FAILED" | "REVERTED" | "REFUSED" | "SUPERSEDED" | "CANCELLED",
     "at": 1790000000.0,                when it ended, in seconds since the epoch
     "key": "shop/shop-1.4.2.jar",      what was uploaded; "" for a rollback and a join
     "release": {"label", "bucket", "key", "version", "size", "sha256"} | null,
     "live": {"label", "deployment", "since"} | null,    what traffic goes to now
     "seconds": {"staging": 4.2, …},    spent in each phase, in order
     "failure": {"phase", "host", "reason", "log": []} | null,
     "hosts": ["i-…"],                  that were commanded
     "unconfirmed": ["i-…"],            of which it is not known what they run
     "rollback": "aws lambda invoke …" | null,           goes back to `previous`, also when it is copied late
     "previous": {"label", "deployment", "since"} | null}

A deployment that begins to stage has the outcome STARTED. It is not announced if the deployment ended first:

    {"twinslot": 1, "written_by": …, "announcement": "01J…/started", "deployment": "01J…", "app": "shop",
     "kind": "upload", "by": "…", "outcome": "STARTED", "at": 1790000000.0, "key": "…", "release": {…},
     "live": {…} | null, "hosts": ["i-…"]}

An app that was frozen or unfrozen has the outcome FROZEN or UNFROZEN; `by` asked for it:

    {"twinslot": 1, "written_by": …, "announcement": "shop/frozen-…", "app": "shop", "outcome": "FROZEN",
     "at": 1790000000.0, "by": "…", "why": "why it is, or was, frozen", "waiting": "1.4.2" | null,
     "live": {…} | null, "unfreeze": "aws lambda invoke …" | null}

Hosts that differ from the expected state have the outcome DRIFT:

    {"twinslot": 1, "written_by": …, "announcement": "shop/drift-…", "app": "shop", "outcome": "DRIFT",
     "at": 1790000000.0, "differences": [{"host": "i-…", "what": "users get …"}],    30 at most
     "others": 0,                       how many more hosts differ
     "live": {…} | null}
"""

from __future__ import annotations

import json
from dataclasses import asdict

from twinslot.announce.build import AnnouncingAct
from twinslot.announce.facts import LiveNow
from twinslot.announce.view import View
from twinslot.domain.model import Announce, AnnounceFreeze, AnnounceStart, Deployment, Warn, plain

FORMAT = 1

Fields = dict[str, object]


def json_form(act: AnnouncingAct, view: View) -> str:
    """Return the JSON of an act; `view` is the same act's."""
    fields: Fields = {
        "twinslot": FORMAT,
        "written_by": view.written_by,
        "announcement": view.id,
        "app": view.app,
        "outcome": view.outcome,
        "live": _live(view.live),
    }
    match act:
        case Announce():
            fields |= _of_deployment(act.deployment, view) | _of_end(act.deployment, view)
        case AnnounceStart():
            fields |= _of_deployment(act.deployment, view)
        case AnnounceFreeze():
            why = view.cause.reason if view.cause else ""
            waiting, unfreeze = view.waiting or None, view.command or None
            fields |= {"at": act.since, "by": view.by, "why": why, "waiting": waiting, "unfreeze": unfreeze}
        case Warn():
            differences = [{"host": host, "what": what} for host, what in view.differences]
            fields |= {"at": act.at, "differences": differences, "others": view.others}
    return json.dumps(fields)


def _of_deployment(deployment: Deployment, view: View) -> Fields:
    """What a deployment's start and its end have in common."""
    return {
        "deployment": view.deployment,
        "kind": view.kind,
        "by": view.by,
        "at": deployment.timeline[-1].at if deployment.timeline else None,
        "key": view.key,
        "release": plain(deployment.release) if deployment.release else None,
        "hosts": view.hosts,
    }


def _of_end(deployment: Deployment, view: View) -> Fields:
    cause = view.cause
    failure = asdict(cause) | {"host": cause.host or None} if cause else None
    return {
        "seconds": deployment.seconds(),
        "failure": failure,
        "unconfirmed": view.unconfirmed,
        "rollback": view.command or None,
        "previous": _live(view.previous),
    }


def _live(live: LiveNow | None) -> Fields | None:
    return asdict(live) if live else None
