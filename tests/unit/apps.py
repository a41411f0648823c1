"""Apps as the widget reads them: what tests draw."""

from dataclasses import replace

from twinslot.aws.store import HostSnapshot
from twinslot.domain.model import (
    Application,
    Deployment,
    Difference,
    Failure,
    Freeze,
    HostReport,
    Kind,
    Live,
    Outcome,
    Phase,
    PhaseEntry,
    Release,
    SlotReport,
    UploadOrder,
)

from functions.widget.reading import Shown
from functions.widget.view import View

NOW = 1_795_375_763.0
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:twinslot-rollback"
VIEW = View(NOW, ARN)
HOST = "i-0a1b2c3d4e5f67890"


def release(label: str, number: int) -> Release:
    return Release("artifacts", f"shop/shop-{label}.jar", f"v{number}", 10, label, sha256=f"{number:064x}")


def ended(number: int, label: str, outcome: Outcome, ago: float, why: str = "", by: str = "ci") -> Deployment:
    """A deployment that ended so many seconds ago."""
    at = NOW - ago
    return Deployment(
        id=f"01JD{number:022}",
        app="shop",
        kind=Kind.UPLOAD,
        order=UploadOrder(f"shop/shop-{label}.jar", "1", at - 40),
        release=release(label, number),
        by=by,
        phase=Phase.ENDED,
        outcome=outcome,
        timeline=(
            PhaseEntry(Phase.WAITING, at - 39.5),
            PhaseEntry(Phase.STAGING, at - 39.4),
            PhaseEntry(Phase.FLIPPING, at - 31),
            PhaseEntry(Phase.BAKING, at - 30),
            PhaseEntry(Phase.ENDED, at),
        ),
        hosts=(HOST,),
        failure=Failure(Phase.BAKING, why, HOST) if why else None,
    )


def slot(deployment: Deployment, state: str = "active", verified: bool = True) -> SlotReport:
    assert deployment.release
    return SlotReport(deployment.release.sha256, deployment.release.label, state, verified, 100)


def snapshot(live: str, slots: dict[str, SlotReport], host: str = HOST, ago: float = 200) -> HostSnapshot:
    report = HostReport(host, "shop", "report", "inspect", "", 1, True, "", (), live, True, slots, None, {})
    return HostSnapshot(report, NOW - ago)


def live(deployment: Deployment) -> Live:
    assert deployment.release
    return Live(deployment.release, deployment.id, deployment.timeline[-1].at)


FIRST = ended(1, "1.4.1", Outcome.LIVE, 7200)
BAD = ended(2, "1.5.0", Outcome.REVERTED, 3600, "12 of 96 answers were 5xx, and bake_error_percent is 5")
SECOND = ended(3, "1.4.2", Outcome.LIVE, 1860, by="anna")
QUIET = Shown(
    Application("shop", live(SECOND), live(FIRST)),
    (snapshot("green", {"blue": slot(FIRST), "green": slot(SECOND)}),),
    (SECOND, BAD, FIRST),
)

NEXT = replace(
    ended(4, "1.6.0", Outcome.LIVE, 0),
    phase=Phase.BAKING,
    outcome=None,
    timeline=(
        PhaseEntry(Phase.WAITING, NOW - 23),
        PhaseEntry(Phase.STAGING, NOW - 22.9),
        PhaseEntry(Phase.FLIPPING, NOW - 14),
        PhaseEntry(Phase.BAKING, NOW - 13),
    ),
)
MOVING = replace(QUIET, application=replace(QUIET.application, current=NEXT))
FROZEN = replace(
    QUIET,
    application=replace(
        QUIET.application,
        freeze=Freeze("anna", "the database is being moved", NOW - 4000),
        waiting=replace(NEXT, phase=Phase.WAITING),
    ),
)


def written_by_a_stranger(text: str) -> Shown:
    """Return an app with this text in every field that a stranger can write."""
    hostile = replace(release("1.0.0", 9), label=text, key=text, bucket=text, version=text)
    past = replace(
        ended(5, "1.0.0", Outcome.FAILED, 500, "why"),
        release=hostile,
        by=text,
        order=UploadOrder(text, text, NOW),
        failure=Failure(Phase.STAGING, text, text, (text,)),
    )
    now = replace(NEXT, release=hostile, by=text, order=past.order)
    slots = {name: SlotReport("0" * 64, text, text, True, 1) for name in ("blue", "green")}
    application = Application(
        "shop",
        live=Live(hostile, past.id, NOW - 60),
        previous=Live(hostile, past.id, NOW - 90),
        current=now,
        waiting=replace(now, phase=Phase.WAITING, release=None),
        drift=(Difference(text, text),),
        freeze=Freeze(text, text, NOW - 5),
    )
    return Shown(application, (snapshot("green", slots, host=text),), (past,))
