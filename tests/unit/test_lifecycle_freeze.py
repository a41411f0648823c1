"""While an application is frozen its uploads wait, and nothing else does."""

import pytest
from twinslot.domain.events import (
    Announced,
    FreezeRequested,
    RollbackRequested,
    ScheduledCheck,
    UnfreezeRequested,
)
from twinslot.domain.model import AnnounceFreeze, Freeze, Outcome
from twinslot.errors import UnknownApp

from tests.unit.lifecycle_driver import LifecycleDriver, upload


def freeze(why: str = "the database is moved") -> FreezeRequested:
    return FreezeRequested("ann", why)


def test_while_it_is_frozen_the_newest_upload_waits_and_the_older_one_is_superseded(
    running: LifecycleDriver,
) -> None:
    running.receive(freeze())
    running.receive(upload("v3", running.now))
    running.receive(upload("v4", running.now + 1))
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv4"
    assert running.outcomes()["Dv3"] is Outcome.SUPERSEDED


def test_the_scheduled_check_skips_what_is_kept_frozen(running: LifecycleDriver) -> None:
    running.receive(freeze())
    running.receive(upload("v3", running.now))
    for act in running.application.outbox:
        running.receive(Announced(act.id))
    assert not running.application.busy
    assert running.receive(ScheduledCheck()).acts == ()


def test_what_stages_when_it_is_frozen_goes_on_and_what_waits_does_not_follow(
    running: LifecycleDriver,
) -> None:
    running.receive(upload("v3", running.now))
    running.receive(freeze())
    running.receive(upload("v4", running.now + 1))
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.outcomes()["Dv3"] is Outcome.LIVE
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv4"


def test_unfreezing_begins_what_waits(running: LifecycleDriver) -> None:
    running.receive(freeze())
    running.receive(upload("v3", running.now))
    running.receive(UnfreezeRequested("bob"))
    assert running.current.id == "Dv3"
    assert running.application.freeze is None
    begun, over = running.told[-2:]
    assert isinstance(begun, AnnounceFreeze) and isinstance(over, AnnounceFreeze)
    assert (begun.frozen, begun.by, begun.why, begun.waiting) == (
        True,
        "ann",
        "the database is moved",
        None,
    )
    assert (over.frozen, over.by, over.why, over.waiting) == (
        False,
        "bob",
        "the database is moved",
        "v3",
    )


def test_a_rollback_is_not_kept_frozen(running: LifecycleDriver) -> None:
    running.receive(freeze())
    running.receive(upload("v3", running.now))
    running.receive(RollbackRequested("Drollback", "shop", running.now, "ann"))
    assert running.current.id == "Drollback"
    assert running.outcomes()["Dv3"] is Outcome.CANCELLED


def test_an_upload_that_comes_during_a_rollback_waits_for_the_end_of_the_freeze(
    running: LifecycleDriver,
) -> None:
    running.receive(freeze())
    running.receive(RollbackRequested("Drollback", "shop", running.now, "ann"))
    running.receive(upload("v3", running.now + 1))
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv3"


def test_asking_for_the_same_twice_changes_nothing(running: LifecycleDriver) -> None:
    running.receive(freeze())
    frozen = running.application
    assert running.receive(freeze()).application == frozen
    running.receive(UnfreezeRequested("bob"))
    resumed = running.application
    assert running.receive(UnfreezeRequested("bob")).application == resumed


def test_another_reason_is_announced_and_the_freeze_keeps_its_beginning(running: LifecycleDriver) -> None:
    running.receive(freeze())
    assert running.application.freeze
    since = running.application.freeze.since
    running.receive(freeze("and the network, too"))
    assert running.application.freeze == Freeze("ann", "and the network, too", since)
    assert len({act.id for act in running.told if isinstance(act, AnnounceFreeze)}) == 2


@pytest.mark.parametrize("asked", [FreezeRequested("ann", "typo"), UnfreezeRequested("ann")])
def test_an_unknown_app_is_not_frozen(
    driver: LifecycleDriver, asked: FreezeRequested | UnfreezeRequested
) -> None:
    with pytest.raises(UnknownApp, match="shop"):
        driver.receive(asked)
