"""An act as an e-mail for people and as JSON for programs, in characters that harm neither."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.announce.commands import Commands
from twinslot.announce.publish import Announcement, compose
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
from twinslot.shared.constants import VERSION

ID = "01JD0000000000000000000002"
OLD = Live(
    Release("artifacts", "shop/a.jar", "v1", 10, "1.4.1"), "01JD0000000000000000000001", 1_794_000_000.0
)
NEW = Release("artifacts", "shop/shop-1.4.2.jar", "v2", 20_000_000, "1.4.2", "ab" * 32)
LIVE = Deployment(
    id=ID,
    app="shop",
    kind=Kind.UPLOAD,
    order=UploadOrder("shop/shop-1.4.2.jar", "0061", 1_794_441_600.0),
    release=NEW,
    by="123456789012",
    phase=Phase.ENDED,
    outcome=Outcome.LIVE,
    timeline=(
        PhaseEntry(Phase.WAITING, 1_794_441_600.0),
        PhaseEntry(Phase.STAGING, 1_794_441_600.5),
        PhaseEntry(Phase.FLIPPING, 1_794_441_604.75),
        PhaseEntry(Phase.BAKING, 1_794_441_605.0),
        PhaseEntry(Phase.ENDED, 1_794_441_635.0),
    ),
    hosts=("i-1", "i-2"),
)
NEW_LIVE = Live(NEW, ID, 1_794_441_604.75)
FAILED = replace(
    LIVE,
    outcome=Outcome.FAILED,
    timeline=(*LIVE.timeline[:2], PhaseEntry(Phase.ENDED, 1_794_441_700.0)),
    failure=Failure(Phase.STAGING, "never answered /actuator/health", "i-2", ("Started", "OutOfMemoryError")),
)
ROLLBACK = "aws lambda invoke --function-name twinslot-rollback --cli-binary-format raw-in-base64-out"
ROLLBACK += """ --payload '{"app":"shop","to":"01JD0000000000000000000001"}' /dev/stdout"""


COMMANDS = Commands("twinslot-rollback", "twinslot-freeze")


def ended(deployment: Deployment, live: Live | None = OLD, previous: Live | None = OLD) -> Announcement:
    return compose(Announce("act", 1.0, deployment, live, previous), COMMANDS)


def test_a_release_that_went_live_is_announced_in_full() -> None:
    announcement = ended(LIVE, NEW_LIVE)
    assert announcement.subject == "twinslot shop 1.4.2 LIVE"
    assert announcement.attributes == {"app": "shop", "outcome": "LIVE", "announcement": ID}
    assert (
        announcement.text
        == f"""\
shop 1.4.2: LIVE
It is live on all its hosts.

Live now: 1.4.2 (deployment {ID}, since 2026-11-12 00:00:04 UTC)

waiting: 0.5 s
staging: 4.2 s
flipping: 0.2 s
baking: 30.0 s

Deployment {ID}
Uploaded by 123456789012 as s3://artifacts/shop/shop-1.4.2.jar (version v2)

To go back to 1.4.1:
  {ROLLBACK}
"""
    )


def test_programs_get_the_same_in_json() -> None:
    assert json.loads(ended(FAILED).json) == {
        "twinslot": 1,
        "written_by": VERSION,
        "announcement": ID,
        "deployment": ID,
        "app": "shop",
        "kind": "upload",
        "by": "123456789012",
        "outcome": "FAILED",
        "at": 1_794_441_700.0,
        "key": "shop/shop-1.4.2.jar",
        "release": {
            "bucket": "artifacts",
            "key": "shop/shop-1.4.2.jar",
            "version": "v2",
            "size": 20_000_000,
            "label": "1.4.2",
            "sha256": "ab" * 32,
        },
        "live": {"label": "1.4.1", "deployment": OLD.deployment, "since": OLD.since},
        "seconds": {"waiting": 0.5, "staging": 99.5},
        "failure": {
            "phase": "staging",
            "host": "i-2",
            "reason": "never answered /actuator/health",
            "log": ["Started", "OutOfMemoryError"],
        },
        "hosts": ["i-1", "i-2"],
        "unconfirmed": [],
        "rollback": ROLLBACK,
        "previous": {"label": "1.4.1", "deployment": OLD.deployment, "since": OLD.since},
    }


def test_a_failure_has_host_phase_reason_log_and_the_way_back() -> None:
    text = ended(FAILED).text
    assert "shop 1.4.2: FAILED\nIt did not go live, and no user saw it." in text
    assert "Why (staging on i-2): never answered /actuator/health" in text
    assert "The last lines of its log:\n  Started\n  OutOfMemoryError\n" in text
    assert "Live now: 1.4.1 (" in text
    assert ROLLBACK in text


def test_a_failure_after_the_flip_does_not_claim_that_no_user_saw_it() -> None:
    text = ended(replace(FAILED, failure=Failure(Phase.BAKING, "5xx", "i-1"))).text
    assert "no user saw it" not in text
    assert "Users stay on it: there is no previous release to go back to." in text


def test_a_reverted_release_names_the_hosts_that_are_not_confirmed() -> None:
    text = ended(replace(FAILED, outcome=Outcome.REVERTED, unconfirmed=("i-2", "i-9"))).text
    assert "The previous release is live again." in text
    assert "Not confirmed on: i-2, i-9" in text


def test_a_release_that_is_live_on_the_hosts_that_answered_does_not_claim_all() -> None:
    assert "It is live on all hosts that answered." in ended(replace(LIVE, unconfirmed=("i-2",))).text


def test_a_refused_upload_of_no_app_has_a_sensible_subject_and_no_way_back() -> None:
    refused = Deployment(
        id=ID,
        app=NO_APP,
        kind=Kind.UPLOAD,
        order=UploadOrder("Shop/my app.jar", "0061", 0.0),
        release=None,
        by="unknown",
        outcome=Outcome.REFUSED,
        failure=Failure(Phase.WAITING, "the key does not begin with the name of an app"),
    )
    announcement = ended(refused, live=None, previous=None)
    assert announcement.subject == "twinslot Shop/my app.jar REFUSED"
    assert announcement.text.startswith("Shop/my app.jar: REFUSED\nNothing was changed.\n")
    assert "Live now" not in announcement.text
    assert "Uploaded by unknown as Shop/my app.jar" in announcement.text
    assert announcement.attributes["app"] == NO_APP
    amazon_q = json.loads(announcement.amazon_q)["content"]
    assert amazon_q["title"] == "✋ `Shop/my app.jar` was refused"
    assert amazon_q["keywords"] == ["REFUSED"]
    assert "aws lambda" not in announcement.text
    assert json.loads(announcement.json)["rollback"] is None


def test_there_is_no_rollback_command_where_nothing_was_live_before() -> None:
    announcement = ended(LIVE, NEW_LIVE, previous=None)
    assert "aws lambda" not in announcement.text
    assert json.loads(announcement.json)["rollback"] is None


def test_a_rollback_names_the_person_who_requested_it() -> None:
    rollback = replace(LIVE, kind=Kind.ROLLBACK, order=UploadOrder("", "", 0.0), by="rollback")
    assert "Rollback requested by rollback" in ended(rollback).text


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_sentence_and_an_attribute(outcome: Outcome) -> None:
    announcement = ended(replace(LIVE, outcome=outcome))
    assert announcement.text.splitlines()[1].endswith(".")
    assert announcement.attributes["outcome"] == outcome.value


def test_hosts_that_differ_from_the_expected_state_are_named_one_by_one() -> None:
    found = (Difference("i-1", "users get 1.4.1"), Difference("i-2", "its agent\nis gone"))
    announcement = compose(Warn("shop/drift-1", 5.0, "shop", found, NEW_LIVE), COMMANDS)
    assert announcement.subject == "twinslot shop DRIFT on i-1, i-2"
    assert announcement.attributes == {"app": "shop", "outcome": "DRIFT", "announcement": "shop/drift-1"}
    assert "i-1: users get 1.4.1\ni-2: its agent is gone\n" in announcement.text
    assert "Should be live: 1.4.2" in announcement.text
    body = json.loads(announcement.json)
    assert [difference["host"] for difference in body["differences"]] == ["i-1", "i-2"]


def test_a_deployment_under_way_has_no_announcement_of_its_end() -> None:
    with pytest.raises(ValueError, match="no outcome"):
        ended(replace(LIVE, outcome=None))


HOSTILE = st.text(st.characters(), max_size=300)


@given(HOSTILE, HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=60))
def test_no_text_from_outside_breaks_the_message(key: str, host: str, reason: str, log: list[str]) -> None:
    failure = Failure(Phase.STAGING, reason, host, tuple(log))
    announcement = ended(replace(FAILED, release=None, order=UploadOrder(key, "", 0.0), failure=failure))
    assert len(announcement.subject) < 100
    assert announcement.subject.isascii()
    assert announcement.subject.isprintable()
    assert all(line.isprintable() for line in announcement.text.split("\n"))
    assert len(announcement.text.encode()) + len(announcement.json) < 200_000
    failed = json.loads(announcement.json)["failure"]
    assert all(text.isprintable() for text in (failed["reason"], failed["host"] or "", *failed["log"]))


BEGUN = replace(LIVE, phase=Phase.STAGING, outcome=None, timeline=LIVE.timeline[:2])
UNFREEZE = (
    """aws lambda invoke --function-name twinslot-freeze --cli-binary-format raw-in-base64-out --payload"""
)
UNFREEZE += """ '{"app":"shop","freeze":false}' /dev/stdout"""


def test_a_deployment_that_begins_to_stage_is_announced_with_what_is_live() -> None:
    announcement = compose(AnnounceStart(f"{ID}/started", 1_794_441_661.0, BEGUN, OLD), COMMANDS)
    assert announcement.subject == "twinslot shop 1.4.2 STARTED"
    assert announcement.attributes == {
        "app": "shop",
        "outcome": "STARTED",
        "announcement": f"{ID}/started",
    }
    assert "Users see no change until every host has verified it." in announcement.text
    assert "Live now: 1.4.1" in announcement.text
    assert json.loads(announcement.json) == {
        "twinslot": 1,
        "written_by": VERSION,
        "announcement": f"{ID}/started",
        "deployment": ID,
        "app": "shop",
        "kind": "upload",
        "by": "123456789012",
        "outcome": "STARTED",
        "at": 1_794_441_600.5,
        "key": "shop/shop-1.4.2.jar",
        "release": json.loads(ended(LIVE).json)["release"],
        "hosts": ["i-1", "i-2"],
        "live": {"label": "1.4.1", "deployment": OLD.deployment, "since": OLD.since},
    }


def frozen(by: str = "ann", why: str = "the database is moved", waiting: str | None = None) -> Announcement:
    return compose(
        AnnounceFreeze("shop/frozen-1.000", 1.0, "shop", True, 1.0, by, why, waiting, OLD), COMMANDS
    )


def test_a_freeze_names_who_why_what_waits_and_how_to_unfreeze() -> None:
    announcement = frozen(waiting="1.4.2")
    assert announcement.subject == "twinslot shop FROZEN by ann"
    assert announcement.attributes == {
        "app": "shop",
        "outcome": "FROZEN",
        "announcement": "shop/frozen-1.000",
    }
    assert (
        announcement.text
        == f"""\
shop: FROZEN
1.4.2 waits until the app is unfrozen. Rollbacks do not wait.

Why: the database is moved

Live now: 1.4.1 (deployment {OLD.deployment}, since 2026-11-06 21:20:00 UTC)

Frozen by ann

To unfreeze:
  {UNFREEZE}
"""
    )
    assert json.loads(announcement.json) == {
        "twinslot": 1,
        "written_by": VERSION,
        "announcement": "shop/frozen-1.000",
        "app": "shop",
        "outcome": "FROZEN",
        "at": 1.0,
        "by": "ann",
        "why": "the database is moved",
        "waiting": "1.4.2",
        "live": {"label": "1.4.1", "deployment": OLD.deployment, "since": OLD.since},
        "unfreeze": UNFREEZE,
    }


def test_unfreezing_names_what_begins() -> None:
    act = AnnounceFreeze(
        "shop/unfrozen-2.000", 2.0, "shop", False, 2.0, "bob", "the database is moved", "1.4.2", OLD
    )
    announcement = compose(act, COMMANDS)
    assert announcement.subject == "twinslot shop UNFROZEN by bob"
    assert "It was frozen because: the database is moved" in announcement.text
    assert "Unfrozen by bob" in announcement.text
    assert "1.4.2 was waiting and begins now." in announcement.text
    body = json.loads(announcement.json)
    assert (body["outcome"], body["waiting"], body["unfreeze"]) == ("UNFROZEN", "1.4.2", None)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_text_of_a_freeze_stays_printable(by: str, why: str, waiting: str) -> None:
    announcement = frozen(by, why, waiting)
    assert all(line.isprintable() for line in announcement.text.split("\n"))
    assert announcement.subject.isascii() and announcement.subject.isprintable()
    assert 0 < len(announcement.subject) < 100


JOINED = replace(
    LIVE, kind=Kind.JOIN, by="twinslot", order=UploadOrder("", "", 1_794_441_600.0), hosts=("i-3",)
)


def test_a_join_names_its_hosts_and_offers_no_rollback() -> None:
    announcement = ended(JOINED)
    assert "The new hosts serve it. No other host was changed." in announcement.text
    assert "New hosts: i-3\n" in announcement.text
    assert f"Deployment {ID}\nJoin started by twinslot\n" in announcement.text
    body = json.loads(announcement.json)
    assert (body["kind"], body["key"], body["rollback"], body["previous"]) == ("join", "", None, None)
    assert "go back" not in announcement.text


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REFUSED])
def test_a_join_that_failed_names_the_host_that_is_left_out_and_until_when(outcome: Outcome) -> None:
    failure = Failure(Phase.BAKING, "users got 5xx", "i-4")
    failed = replace(JOINED, outcome=outcome, hosts=("i-3", "i-4"), unconfirmed=("i-4",), failure=failure)
    text = ended(failed).text
    assert "New hosts: i-3, i-4\n\nDid not join: i-4\n" in text
    assert "No other host was changed" in text
    assert "until another release is live" in text
    assert "Live now: 1.4.1" in text
