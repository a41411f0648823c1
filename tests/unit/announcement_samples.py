"""Announcements as they come over SNS, of each outcome and any that Hypothesis generates; and any act."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from twinslot.announce.build import AnnouncingAct
from twinslot.announce.commands import Commands
from twinslot.announce.publish import compose
from twinslot.domain.model import (
    NO_APP,
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Deployment,
    Difference,
    Failure,
    Kind,
    Live,
    Outcome,
    Phase,
    PhaseEntry,
    Release,
    UploadOrder,
    Warn,
)

from tests.hostile import PIECES, TEXT
from tests.unit.test_announcements import FAILED, ID, LIVE, NEW_LIVE, OLD

Sample = dict[str, Any]
COMMANDS = Commands("twinslot-rollback", "twinslot-freeze")


def json_of(act: AnnouncingAct) -> Sample:
    """Return the JSON that is published for an act."""
    data: Sample = json.loads(compose(act, COMMANDS).json)
    return data


def ended(deployment: Any = LIVE, live: Any = NEW_LIVE, previous: Any = OLD) -> Sample:
    """Return the JSON of a deployment's end."""
    return json_of(Announce("act", 1.0, deployment, live, previous))


def of(outcome: Outcome, **changes: Any) -> Sample:
    return ended(replace(LIVE, outcome=outcome, **changes), OLD)


REVERTED = of(
    Outcome.REVERTED,
    failure=Failure(Phase.BAKING, "12 of 60 answers were 5xx", "i-0a1b2c3d4e5f60718", ("line 1", "line 2")),
    unconfirmed=("i-0a1b2c3d4e5f60719",),
)
STARTED = json_of(AnnounceStart(f"{ID}/started", 1.0, replace(LIVE, outcome=None), OLD))
DRIFT = json_of(Warn("shop/drift-1", 5.0, "shop", (Difference("i-1", "users get 1.4.1"),), NEW_LIVE))


def freeze(frozen: bool, waiting: str | None) -> Sample:
    """Return the JSON of a freeze, or of its end."""
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
    return json_of(act)


FROZEN, UNFROZEN = freeze(True, None), freeze(False, "1.4.3")

EACH: dict[str, Sample] = {
    "LIVE": ended(),
    "FAILED": ended(FAILED, OLD),
    "REVERTED": REVERTED,
    "REFUSED": of(Outcome.REFUSED, release=None),
    "SUPERSEDED": of(Outcome.SUPERSEDED),
    "CANCELLED": of(Outcome.CANCELLED),
    "STARTED": STARTED,
    "DRIFT": DRIFT,
    "FROZEN": FROZEN,
    "UNFROZEN": UNFROZEN,
    "join LIVE": {**ended(), "kind": "join"},
    "join FAILED": {**ended(FAILED, OLD), "kind": "join", "hosts": ["i-3"]},
    "join STARTED": {**STARTED, "kind": "join", "hosts": ["i-3"]},
    "rollback STARTED": {**STARTED, "kind": Kind.ROLLBACK.value, "key": ""},
    "rollback LIVE": {**ended(), "kind": "rollback", "key": ""},
}
"""An announcement of each kind."""


def written_by_a_stranger(name: str, text: str) -> Sample:
    """Return the announcement of this name with this text in every field that a stranger can write."""
    failure = {"phase": "staging", "host": text, "reason": text, "log": [text, "```", text]}
    release = {"label": text} if name != "REFUSED" else None
    return {**EACH[name], "by": text, "key": text, "release": release, "failure": failure}


LONG = st.sampled_from(PIECES).map(lambda piece: piece * 1_200)
WORDS = st.deferred(lambda: TEXT | LONG)
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
"""Any announcement of the agreed shape, whatever its texts."""

NAMES = st.text("abc-1.", min_size=1, max_size=30) | WORDS
IDS = st.sampled_from([ID, f"{ID}/started", "shop/drift-1.000"])
RELEASES = st.builds(Release, bucket=NAMES, key=NAMES, version=NAMES, size=st.just(1), label=NAMES)
LIVES = st.none() | st.builds(Live, RELEASES, IDS, st.floats(0, 1e12))
TIMELINES = st.lists(st.builds(PhaseEntry, st.sampled_from(Phase), st.floats(0, 1e10)), max_size=8)
DEPLOYMENTS = st.builds(
    Deployment,
    id=IDS,
    app=st.sampled_from(["shop", NO_APP]),
    kind=st.sampled_from(Kind),
    order=st.builds(UploadOrder, NAMES | st.just(""), st.just("1"), st.just(1.0)),
    release=st.none() | RELEASES,
    by=NAMES | st.just(""),
    outcome=st.sampled_from(Outcome),
    timeline=st.lists(st.builds(PhaseEntry, st.sampled_from(Phase), st.floats(0, 1e10)), max_size=8).map(
        tuple
    ),
    hosts=st.lists(NAMES, max_size=40).map(tuple),
    failure=st.none()
    | st.builds(
        Failure,
        st.sampled_from(Phase),
        WORDS,
        st.none() | NAMES,
        st.lists(WORDS, max_size=60).map(tuple),
    ),
    unconfirmed=st.lists(NAMES, max_size=40).map(tuple),
)
IN_PROGRESS = DEPLOYMENTS.map(lambda each: replace(each, outcome=None))
ACTS: st.SearchStrategy[AnnouncingAct] = st.one_of(
    st.builds(Announce, IDS, st.just(1.0), DEPLOYMENTS, LIVES, LIVES),
    st.builds(AnnounceStart, IDS, st.just(1.0), IN_PROGRESS, LIVES),
    st.builds(
        AnnounceFreeze,
        id=IDS,
        at=st.just(1.0),
        app=st.just("shop"),
        frozen=st.booleans(),
        since=st.floats(0, 1e10),
        by=NAMES,
        why=WORDS,
        waiting=st.none() | NAMES,
        live=LIVES,
    ),
    st.builds(
        Warn,
        id=IDS,
        at=st.just(1.0),
        app=st.just("shop"),
        differences=st.lists(st.builds(Difference, NAMES, WORDS), min_size=1, max_size=40).map(tuple),
        live=LIVES,
    ),
)
"""Any act that is announced."""
