"""An outcome is told to people in words and to programs in JSON, in characters that harm neither."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.announce.publish import Announcement, compose, freeze, start, warn
from twinslot.domain.model import (
    NOBODY,
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


def told(deployment: Deployment, live: Live | None = OLD, previous: Live | None = OLD) -> Announcement:
    return compose(Announce("act", 1.0, deployment, live, previous), "twinslot-rollback")


def test_a_release_that_went_live_is_told_in_full() -> None:
    announcement = told(LIVE, NEW_LIVE)
    assert announcement.subject == "twinslot shop 1.4.2 LIVE"
    assert announcement.attributes == {"app": "shop", "outcome": "LIVE", "announcement": ID}
    assert (
        announcement.text
        == f"""\
shop 1.4.2: LIVE
It is live on all hosts.

Live now: 1.4.2 (deployment {ID}, since 2026-11-12 00:00:04 UTC)

waiting: 0.5 s
staging: 4.2 s
flipping: 0.2 s
baking: 30.0 s

Deployment {ID}, an upload of s3://artifacts/shop/shop-1.4.2.jar (version v2) by 123456789012.

To go back to 1.4.1:
  {ROLLBACK}
"""
    )


def test_programs_get_the_same_in_json() -> None:
    assert json.loads(told(FAILED).json) == {
        "twinslot": 1,
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


def test_a_failure_is_told_with_host_phase_reason_log_and_the_way_back() -> None:
    text = told(FAILED).text
    assert "shop 1.4.2: FAILED\nIt did not go live; users never saw it." in text
    assert "Why (staging on i-2): never answered /actuator/health" in text
    assert "The last lines of its log:\n  Started\n  OutOfMemoryError\n" in text
    assert "Live now: 1.4.1 (" in text
    assert ROLLBACK in text


def test_a_failure_after_the_flip_does_not_claim_that_nobody_saw_it() -> None:
    text = told(replace(FAILED, failure=Failure(Phase.BAKING, "5xx", "i-1"))).text
    assert "users never saw it" not in text


def test_a_reverted_release_names_the_hosts_that_nobody_knows_of() -> None:
    text = told(replace(FAILED, outcome=Outcome.REVERTED, unconfirmed=("i-2", "i-9"))).text
    assert "the release before it was made live again" in text
    assert "Not confirmed on: i-2, i-9" in text


def test_a_release_that_is_live_on_the_hosts_that_answered_does_not_claim_all() -> None:
    assert "It is live on all hosts that answered." in told(replace(LIVE, unconfirmed=("i-2",))).text


def test_a_refused_upload_of_nobody_has_no_way_back() -> None:
    refused = Deployment(
        id=ID,
        app=NOBODY,
        kind=Kind.UPLOAD,
        order=UploadOrder("Shop/my app.jar", "0061", 0.0),
        release=None,
        by="unknown",
        outcome=Outcome.REFUSED,
        failure=Failure(Phase.WAITING, "the key does not begin with the name of an app"),
    )
    announcement = told(refused, live=None, previous=None)
    assert announcement.subject == "twinslot - Shop/my app.jar REFUSED"
    assert "Live now: nothing." in announcement.text
    assert "an upload of Shop/my app.jar by unknown." in announcement.text
    assert "aws lambda" not in announcement.text
    assert json.loads(announcement.json)["rollback"] is None


def test_no_rollback_command_is_told_where_nothing_was_live_before() -> None:
    announcement = told(LIVE, NEW_LIVE, previous=None)
    assert "aws lambda" not in announcement.text
    assert json.loads(announcement.json)["rollback"] is None


def test_a_rollback_is_told_with_the_person_who_asked() -> None:
    rollback = replace(LIVE, kind=Kind.ROLLBACK, order=UploadOrder("", "", 0.0), by="rollback")
    assert "a rollback that rollback asked for." in told(rollback).text


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_sentence_and_an_attribute(outcome: Outcome) -> None:
    announcement = told(replace(LIVE, outcome=outcome))
    assert announcement.text.splitlines()[1].endswith(".")
    assert announcement.attributes["outcome"] == outcome.value


def test_hosts_that_are_not_as_they_should_be_are_told_one_by_one() -> None:
    found = (Difference("i-1", "users get 1.4.1"), Difference("i-2", "its agent\nis gone"))
    announcement = warn(Warn("shop/drift-1", 5.0, "shop", found, NEW_LIVE))
    assert announcement.subject == "twinslot shop DRIFT on i-1, i-2"
    assert announcement.attributes == {"app": "shop", "outcome": "DRIFT", "announcement": "shop/drift-1"}
    assert "i-1: users get 1.4.1\n\ni-2: its agent is gone\n" in announcement.text
    assert "What should be live: 1.4.2" in announcement.text
    body = json.loads(announcement.json)
    assert [difference["host"] for difference in body["differences"]] == ["i-1", "i-2"]


def test_a_deployment_under_way_is_not_told() -> None:
    with pytest.raises(ValueError, match="no outcome"):
        told(replace(LIVE, outcome=None))


HOSTILE = st.text(st.characters(), max_size=300)


@given(HOSTILE, HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=60))
def test_no_text_from_outside_breaks_the_message(key: str, host: str, reason: str, log: list[str]) -> None:
    failure = Failure(Phase.STAGING, reason, host, tuple(log))
    announcement = told(replace(FAILED, release=None, order=UploadOrder(key, "", 0.0), failure=failure))
    assert len(announcement.subject) < 100
    assert announcement.subject.isascii()
    assert announcement.subject.isprintable()
    assert all(line.isprintable() for line in announcement.text.split("\n"))
    assert len(announcement.text.encode()) + len(announcement.json) < 200_000
    said = json.loads(announcement.json)["failure"]
    assert all(text.isprintable() for text in (said["reason"], said["host"], *said["log"]))


BEGUN = replace(LIVE, phase=Phase.STAGING, outcome=None, timeline=LIVE.timeline[:2])
UNFREEZE = (
    """aws lambda invoke --function-name twinslot-freeze --cli-binary-format raw-in-base64-out --payload"""
)
UNFREEZE += """ '{"app":"shop","freeze":false}' /dev/stdout"""


def test_a_deployment_that_begins_to_stage_is_told_with_what_is_live_meanwhile() -> None:
    announcement = start(AnnounceStart(f"{ID}/started", 1_794_441_661.0, BEGUN, OLD))
    assert announcement.subject == "twinslot shop 1.4.2 STARTED"
    assert announcement.attributes == {
        "app": "shop",
        "outcome": "STARTED",
        "announcement": f"{ID}/started",
    }
    assert "It is staged on i-1, i-2; its end will be told." in announcement.text
    assert "Live now: 1.4.1" in announcement.text
    assert json.loads(announcement.json) == {
        "twinslot": 1,
        "announcement": f"{ID}/started",
        "deployment": ID,
        "app": "shop",
        "kind": "upload",
        "by": "123456789012",
        "outcome": "STARTED",
        "at": 1_794_441_600.5,
        "key": "shop/shop-1.4.2.jar",
        "release": json.loads(told(LIVE).json)["release"],
        "live": {"label": "1.4.1", "deployment": OLD.deployment, "since": OLD.since},
    }


def frozen(by: str = "ann", why: str = "the database is moved", waiting: str | None = None) -> Announcement:
    return freeze(
        AnnounceFreeze("shop/frozen-1.000", 1.0, "shop", True, 1.0, by, why, waiting, OLD), "twinslot-freeze"
    )


def test_a_freeze_says_who_why_what_waits_and_how_to_unfreeze() -> None:
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
ann froze it: the database is moved
Uploads wait; the newest one goes live when shop is unfrozen.

Waiting: 1.4.2.

Live now: 1.4.1 (deployment {OLD.deployment}, since 2026-11-06 21:20:00 UTC)

To unfreeze:
  {UNFREEZE}
"""
    )
    assert json.loads(announcement.json) == {
        "twinslot": 1,
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


def test_unfreezing_says_what_goes_on() -> None:
    act = AnnounceFreeze(
        "shop/unfrozen-2.000", 2.0, "shop", False, 2.0, "bob", "the database is moved", "1.4.2", OLD
    )
    announcement = freeze(act, "twinslot-freeze")
    assert announcement.subject == "twinslot shop UNFROZEN by bob"
    assert "bob unfroze it. It was frozen because: the database is moved" in announcement.text
    assert "1.4.2 waited and goes on now." in announcement.text
    body = json.loads(announcement.json)
    assert (body["outcome"], body["waiting"], body["unfreeze"]) == ("UNFROZEN", "1.4.2", None)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_freeze_is_told_with_stays_printable(by: str, why: str, waiting: str) -> None:
    announcement = frozen(by, why, waiting)
    assert all(line.isprintable() for line in announcement.text.split("\n"))
    assert announcement.subject.isascii() and announcement.subject.isprintable()
    assert 0 < len(announcement.subject) < 100


JOINED = replace(
    LIVE, kind=Kind.JOIN, by="twinslot", order=UploadOrder("", "", 1_794_441_600.0), hosts=("i-3",)
)


def test_a_join_is_told_by_its_hosts_and_offers_no_rollback() -> None:
    announcement = told(JOINED)
    assert "i-3 joined and serves 1.4.2." in announcement.text
    assert f"Deployment {ID}, a join of i-3, which held no release." in announcement.text
    body = json.loads(announcement.json)
    assert (body["kind"], body["key"], body["rollback"], body["previous"]) == ("join", "", None, None)
    assert "go back" not in announcement.text


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REFUSED])
def test_a_join_that_failed_says_which_host_is_left_out_and_until_when(outcome: Outcome) -> None:
    failure = Failure(Phase.BAKING, "users got 5xx", "i-4")
    failed = replace(JOINED, outcome=outcome, hosts=("i-3", "i-4"), unconfirmed=("i-4",), failure=failure)
    text = told(failed).text
    assert "i-4 did not join; no other host was touched." in text
    assert "until another release is live" in text
    assert "Live now: 1.4.1" in text
