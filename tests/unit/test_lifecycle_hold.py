"""While an application is held its uploads wait, and nothing else does."""

import pytest
from twinslot.domain.events import Announced, HoldAsked, ResumeAsked, RollbackAsked, Tick
from twinslot.domain.model import AnnounceHold, Hold, Outcome
from twinslot.errors import UnknownApp

from tests.unit.lifecycle_driver import LifecycleDriver, upload


def hold(why: str = "the database is moved") -> HoldAsked:
    return HoldAsked("ann", why)


def test_while_it_is_held_the_newest_upload_waits_and_the_older_one_is_superseded(
    running: LifecycleDriver,
) -> None:
    running.receive(hold())
    running.receive(upload("v3", running.now))
    running.receive(upload("v4", running.now + 1))
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv4"
    assert running.outcomes()["Dv3"] is Outcome.SUPERSEDED


def test_the_clock_does_not_look_after_what_is_held_back(running: LifecycleDriver) -> None:
    running.receive(hold())
    running.receive(upload("v3", running.now))
    for act in running.application.outbox:
        running.receive(Announced(act.id))
    assert not running.application.busy
    assert running.receive(Tick()).acts == ()


def test_what_stages_when_it_is_held_goes_on_and_what_waits_does_not_follow(running: LifecycleDriver) -> None:
    running.receive(upload("v3", running.now))
    running.receive(hold())
    running.receive(upload("v4", running.now + 1))
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.outcomes()["Dv3"] is Outcome.LIVE
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv4"


def test_resuming_begins_what_waits(running: LifecycleDriver) -> None:
    running.receive(hold())
    running.receive(upload("v3", running.now))
    running.receive(ResumeAsked("bob"))
    assert running.current.id == "Dv3"
    assert running.application.hold is None
    held, resumed = running.told[-2:]
    assert isinstance(held, AnnounceHold) and isinstance(resumed, AnnounceHold)
    assert (held.held, held.by, held.why, held.waiting) == (True, "ann", "the database is moved", None)
    assert (resumed.held, resumed.by, resumed.why, resumed.waiting) == (
        False,
        "bob",
        "the database is moved",
        "v3",
    )


def test_a_rollback_is_not_held_back(running: LifecycleDriver) -> None:
    running.receive(hold())
    running.receive(upload("v3", running.now))
    running.receive(RollbackAsked("Drollback", "shop", running.now, "ann"))
    assert running.current.id == "Drollback"
    assert running.outcomes()["Dv3"] is Outcome.CANCELLED


def test_an_upload_that_comes_during_a_rollback_waits_for_the_end_of_the_hold(
    running: LifecycleDriver,
) -> None:
    running.receive(hold())
    running.receive(RollbackAsked("Drollback", "shop", running.now, "ann"))
    running.receive(upload("v3", running.now + 1))
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv3"


def test_asking_for_the_same_twice_changes_nothing(running: LifecycleDriver) -> None:
    running.receive(hold())
    held = running.application
    assert running.receive(hold()).application == held
    running.receive(ResumeAsked("bob"))
    resumed = running.application
    assert running.receive(ResumeAsked("bob")).application == resumed


def test_another_reason_is_told_and_the_hold_keeps_its_beginning(running: LifecycleDriver) -> None:
    running.receive(hold())
    assert running.application.hold
    since = running.application.hold.since
    running.receive(hold("and the network, too"))
    assert running.application.hold == Hold("ann", "and the network, too", since)
    assert len({act.id for act in running.told if isinstance(act, AnnounceHold)}) == 2


@pytest.mark.parametrize("asked", [HoldAsked("ann", "typo"), ResumeAsked("ann")])
def test_an_app_that_nobody_ever_heard_of_is_not_held(
    driver: LifecycleDriver, asked: HoldAsked | ResumeAsked
) -> None:
    with pytest.raises(UnknownApp, match="shop"):
        driver.receive(asked)
