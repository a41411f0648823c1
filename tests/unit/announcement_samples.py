"""Announcements as they come over SNS: one of each outcome, and any that Hypothesis can think of."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from twinslot.announce.publish import compose, freeze, start, warn
from twinslot.domain.model import (
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Difference,
    Failure,
    Kind,
    Outcome,
    Phase,
    Warn,
)

from tests.hostile import PIECES, TEXT
from tests.unit.test_announcements import FAILED, ID, LIVE, NEW_LIVE, OLD

Sample = dict[str, Any]


def told(deployment: Any = LIVE, live: Any = NEW_LIVE, previous: Any = OLD) -> Sample:
    """The JSON of a deployment's end."""
    announcement = compose(Announce("act", 1.0, deployment, live, previous), "twinslot-rollback")
    data: Sample = json.loads(announcement.json)
    return data


def of(outcome: Outcome, **changes: Any) -> Sample:
    return told(replace(LIVE, outcome=outcome, **changes), OLD)


REVERTED = of(
    Outcome.REVERTED,
    failure=Failure(Phase.BAKING, "12 of 60 answers were 5xx", "i-0a1b2c3d4e5f60718", ("line 1", "line 2")),
    unconfirmed=("i-0a1b2c3d4e5f60719",),
)
STARTED: Sample = json.loads(start(AnnounceStart(f"{ID}/started", 1.0, LIVE, OLD)).json)
DRIFT: Sample = json.loads(
    warn(Warn("shop/drift-1", 5.0, "shop", (Difference("i-1", "users get 1.4.1"),), NEW_LIVE)).json
)


def freeze_told(frozen: bool, waiting: str | None) -> Sample:
    """The JSON of a freeze, or of its end."""
    act = AnnounceFreeze(
        id="shop/frozen-1",
        at=2.0,
        app="shop",
        frozen=frozen,
        since=1.0,
        by="min-ji",
        why="stocktaking until noon",
        waiting=waiting,
        live=OLD,
    )
    data: Sample = json.loads(freeze(act, "twinslot-freeze").json)
    return data


FROZEN, UNFROZEN = freeze_told(True, None), freeze_told(False, "1.4.3")

EACH: dict[str, Sample] = {
    "LIVE": told(),
    "FAILED": told(FAILED, OLD),
    "REVERTED": REVERTED,
    "REFUSED": of(Outcome.REFUSED, release=None),
    "SUPERSEDED": of(Outcome.SUPERSEDED),
    "CANCELLED": of(Outcome.CANCELLED),
    "STARTED": STARTED,
    "DRIFT": DRIFT,
    "FROZEN": FROZEN,
    "UNFROZEN": UNFROZEN,
    "join LIVE": {**told(), "kind": "join"},
    "join FAILED": {**told(FAILED, OLD), "kind": "join", "hosts": ["i-3"]},
    "join STARTED": {**STARTED, "kind": "join"},
    "rollback STARTED": {**STARTED, "kind": Kind.ROLLBACK.value, "key": ""},
    "rollback LIVE": {**told(), "kind": "rollback", "key": ""},
}
"""An announcement of each kind that people are told of."""


def written_by_a_stranger(name: str, text: str) -> Sample:
    """The announcement of this name with this text in every place that a stranger has a hand in."""
    failure = {"phase": "staging", "host": text, "reason": text, "log": [text, "```", text]}
    release = {"label": text} if name != "REFUSED" else None
    return {**EACH[name], "by": text, "key": text, "release": release, "failure": failure}


LONG = st.sampled_from(PIECES).map(lambda piece: piece * 1_200)
WORDS = TEXT | LONG
MOMENT = st.none() | st.floats(0, 1e12) | st.integers(0, 10**12)
LIVE_PART = st.none() | st.fixed_dictionaries({"label": WORDS, "since": MOMENT})
PHASES = st.sampled_from([phase.value for phase in Phase])


def _shape(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Sample]:
    common = {"twinslot": st.just(1), "app": WORDS, "announcement": st.just(f"{ID}/x"), "live": LIVE_PART}
    return st.fixed_dictionaries({**common, **fields})


ANY = st.one_of(
    _shape(
        outcome=st.sampled_from([*(outcome.value for outcome in Outcome), "STARTED"]),
        kind=st.sampled_from(["upload", "rollback", "join"]),
        deployment=st.just(ID),
        by=WORDS,
        key=WORDS,
        release=st.none() | st.fixed_dictionaries({"label": WORDS}),
        seconds=st.none() | st.dictionaries(PHASES, st.floats(0, 1e9)),
        failure=st.none()
        | st.fixed_dictionaries(
            {"phase": PHASES, "host": st.none() | WORDS, "reason": WORDS, "log": st.lists(WORDS, max_size=60)}
        ),
        unconfirmed=st.lists(WORDS, max_size=30),
        rollback=st.none() | WORDS,
        previous=LIVE_PART,
    ),
    _shape(
        outcome=st.just("DRIFT"),
        differences=st.lists(st.fixed_dictionaries({"host": WORDS, "what": WORDS}), max_size=30),
    ),
    _shape(
        outcome=st.sampled_from(["FROZEN", "UNFROZEN"]),
        by=WORDS,
        why=WORDS,
        waiting=st.none() | WORDS,
        unfreeze=st.none() | WORDS,
    ),
)
"""Any announcement of the agreed shape, whatever the texts in it say."""
