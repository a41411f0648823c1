"""Holding an app and resuming it."""

import pytest
from twinslot.errors import UnknownApp

from tests.controller.controller_fixture import ControllerFixture


def test_while_an_app_is_held_uploads_wait_and_resuming_makes_the_newest_live(
    fixture: ControllerFixture,
) -> None:
    fixture.deploy("1.0.0")
    held = fixture.controller.hold("shop", "the database is moved", "ann")
    assert (held.held, held.was_held, held.since) == (True, False, fixture.now)
    fixture.upload("1.1.0")
    fixture.upload("1.2.0")
    assert fixture.store.busy_apps() == ()
    again = fixture.controller.hold("shop", "the database is moved", "bob")
    assert (again.was_held, again.since) == (True, held.since)
    assert again.waiting and again.waiting.release and again.waiting.release.label == "1.2.0"
    resumed = fixture.controller.resume("shop", "bob")
    assert (resumed.held, resumed.was_held, resumed.waiting) == (False, True, again.waiting)
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    assert not fixture.controller.resume("shop", "bob").was_held
    assert [outcome for _, outcome in fixture.told()] == [
        "STARTED",
        "LIVE",
        "HELD",
        "SUPERSEDED",
        "RESUMED",
        "STARTED",
        "LIVE",
    ]


def test_an_app_that_no_upload_ever_named_cannot_be_held(fixture: ControllerFixture) -> None:
    with pytest.raises(UnknownApp):
        fixture.controller.hold("shpo", "typo", "ann")
    assert fixture.store.load("shpo").version == 0
