"""Freezing an app and unfreezing it."""

import pytest
from twinslot.errors import UnknownApp

from tests.controller.controller_fixture import ControllerFixture


def test_while_an_app_is_frozen_uploads_wait_and_unfreezing_makes_the_newest_live(
    fixture: ControllerFixture,
) -> None:
    fixture.deploy("1.0.0")
    frozen = fixture.controller.freeze("shop", "the database is moved", "ann")
    assert (frozen.frozen, frozen.was_frozen, frozen.since) == (True, False, fixture.now)
    fixture.upload("1.1.0")
    fixture.upload("1.2.0")
    assert fixture.store.busy_apps() == ()
    again = fixture.controller.freeze("shop", "the database is moved", "bob")
    assert (again.was_frozen, again.since) == (True, frozen.since)
    assert again.waiting and again.waiting.release and again.waiting.release.label == "1.2.0"
    resumed = fixture.controller.unfreeze("shop", "bob")
    assert (resumed.frozen, resumed.was_frozen, resumed.waiting) == (False, True, again.waiting)
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    assert not fixture.controller.unfreeze("shop", "bob").was_frozen
    assert [outcome for _, outcome in fixture.told()] == [
        "STARTED",
        "LIVE",
        "FROZEN",
        "SUPERSEDED",
        "UNFROZEN",
        "STARTED",
        "LIVE",
    ]


def test_an_app_that_no_upload_ever_named_cannot_be_frozen(fixture: ControllerFixture) -> None:
    with pytest.raises(UnknownApp):
        fixture.controller.freeze("shpo", "typo", "ann")
    assert fixture.store.load("shpo").version == 0
