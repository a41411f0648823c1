"""What an outcome means, in words: one table for e-mail, Amazon Q, Slack, the command line and the widget.

A row is chosen by outcome, kind and case, the first that fits. A meaning is whole sentences about one
deployment ("it"); `{waiting}` and `{hosts}` are filled in by view.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from twinslot.domain.model import Kind, Outcome

STARTED = "STARTED"
FROZEN = "FROZEN"
UNFROZEN = "UNFROZEN"
DRIFT = "DRIFT"
OUTCOMES = frozenset({*Outcome, STARTED, FROZEN, UNFROZEN, DRIFT})
"""All that is announced: how a deployment ended, and what else happens to an app."""

ANY = ""


class Case(StrEnum):
    """What a meaning depends on besides outcome and kind."""

    PLAIN = "plain"
    UNCONFIRMED = "unconfirmed"
    AFTER_TRAFFIC = "after traffic"
    WAITING = "waiting"


class Tone(StrEnum):
    """What a colour means, the same wherever outcomes are shown in colour."""

    GOOD = "good"
    """Green: the release is live."""
    BAD = "bad"
    """Red: users may have met a release that failed, or a release failed its checks."""
    WARN = "warn"
    """Amber: nothing was changed, and a person has to act before anything does."""
    ACTIVE = "active"
    """Blue: under way."""
    NEUTRAL = "neutral"
    """Grey: it ended without a fault."""


TONES: dict[str, Tone] = {
    Outcome.LIVE: Tone.GOOD,
    Outcome.FAILED: Tone.BAD,
    Outcome.REVERTED: Tone.BAD,
    Outcome.REFUSED: Tone.WARN,
    Outcome.SUPERSEDED: Tone.NEUTRAL,
    Outcome.CANCELLED: Tone.NEUTRAL,
    STARTED: Tone.ACTIVE,
    FROZEN: Tone.WARN,
    UNFROZEN: Tone.NEUTRAL,
    DRIFT: Tone.WARN,
}


@dataclass(frozen=True)
class Words:
    """A row: where it applies, and its words. A headline is `icon`, a subject and `predicate`."""

    outcome: str
    kind: str
    case: str
    icon: str
    predicate: str
    meaning: str


UNTOUCHED = "Users see no change until every host has verified it."
LIVE_ON_ALL = "It is live on all its hosts."
LIVE_WHERE_KNOWN = "It is live on all hosts that answered."
JOINED = "The new hosts serve it. No other host was changed."
NOT_JOINED = (
    "No other host was changed, and the live release stays live. These hosts are not tried again until"
    " another release is live: fix the cause, then deploy the live release again."
)
NO_WAY_BACK = (
    "It failed after traffic had moved to it. Users stay on it: there is no previous release to go back to."
)
WENT_BACK = "It failed after traffic had moved to it. The previous release is live again."
DIFFERS = (
    "Hosts differ from the expected state. Nothing was changed; the next deployment starts from what these"
    " hosts serve."
)
OVERTAKEN = "A newer upload or a rollback took its place before it began."
ONE_WAITS = "{waiting} waits until the app is unfrozen. Rollbacks do not wait."
ALL_WAIT = "Uploads wait, and the newest goes live when the app is unfrozen. Rollbacks do not wait."

TABLE = (
    Words(STARTED, Kind.ROLLBACK, ANY, "⏪", "is coming back", UNTOUCHED),
    Words(STARTED, Kind.JOIN, ANY, "🚀", "goes to {hosts}", UNTOUCHED),
    Words(STARTED, ANY, ANY, "🚀", "is being staged", UNTOUCHED),
    Words(Outcome.LIVE, Kind.JOIN, ANY, "✅", "is live on {hosts}", JOINED),
    Words(Outcome.LIVE, Kind.ROLLBACK, Case.UNCONFIRMED, "✅", "is live again", LIVE_WHERE_KNOWN),
    Words(Outcome.LIVE, Kind.ROLLBACK, ANY, "✅", "is live again", LIVE_ON_ALL),
    Words(Outcome.LIVE, ANY, Case.UNCONFIRMED, "✅", "is live", LIVE_WHERE_KNOWN),
    Words(Outcome.LIVE, ANY, ANY, "✅", "is live", LIVE_ON_ALL),
    Words(Outcome.FAILED, Kind.JOIN, ANY, "❌", "did not go live on {hosts}", NOT_JOINED),
    Words(Outcome.FAILED, ANY, Case.AFTER_TRAFFIC, "❌", "failed", NO_WAY_BACK),
    Words(Outcome.FAILED, ANY, ANY, "❌", "failed", "It did not go live, and no user saw it."),
    Words(Outcome.REVERTED, ANY, ANY, "❗", "was rolled back automatically", WENT_BACK),
    Words(Outcome.REFUSED, Kind.JOIN, ANY, "✋", "did not go to {hosts}", NOT_JOINED),
    Words(Outcome.REFUSED, ANY, ANY, "✋", "was refused", "Nothing was changed."),
    Words(Outcome.SUPERSEDED, ANY, ANY, "⏭️", "was superseded", OVERTAKEN),
    Words(Outcome.CANCELLED, ANY, ANY, "⏹️", "was cancelled", "A rollback cancelled it."),
    Words(DRIFT, ANY, ANY, "⚠️", "differs from the expected state on {hosts}", DIFFERS),
    Words(FROZEN, ANY, Case.WAITING, "⏸️", "is frozen", ONE_WAITS),
    Words(FROZEN, ANY, ANY, "⏸️", "is frozen", ALL_WAIT),
    Words(UNFROZEN, ANY, Case.WAITING, "▶️", "is unfrozen", "{waiting} was waiting and begins now."),
    Words(UNFROZEN, ANY, ANY, "▶️", "is unfrozen", "Nothing was waiting. Uploads are deployed again."),
)

ORIGINS: dict[str, str] = {
    FROZEN: "Frozen by",
    UNFROZEN: "Unfrozen by",
    DRIFT: "Found by",
    Kind.ROLLBACK: "Rollback requested by",
    Kind.JOIN: "Join started by",
}
"""How a sentence begins that ends with who did it, by outcome or kind; an upload's is UPLOADED."""

UPLOADED = "Uploaded by"


def words(outcome: str, kind: str, case: Case) -> Words:
    """Return the words for an outcome; for one that is not in the table, those of an unknown outcome."""
    for row in TABLE:
        if row.outcome == outcome and row.kind in (kind, ANY) and row.case in (case, ANY):
            return row
    return Words(outcome, kind, case, "🔔", f"has the outcome {outcome}", "")


def origin(outcome: str, kind: str) -> str:
    """Return the beginning of the sentence that names who did it."""
    return ORIGINS.get(outcome) or ORIGINS.get(kind, UPLOADED)
