"""Holding an app and resuming it."""

import pytest
from twinslot.errors import UnknownApp

from tests.controller.controller_fixture import House


def test_while_an_app_is_held_uploads_wait_and_resuming_makes_the_newest_live(house: House) -> None:
    house.deploy("1.0.0")
    held = house.controller.hold("shop", "the database is moved", "ann")
    assert (held.held, held.was_held, held.since) == (True, False, house.now)
    house.upload("1.1.0")
    house.upload("1.2.0")
    assert house.store.busy_apps() == ()
    again = house.controller.hold("shop", "the database is moved", "bob")
    assert (again.was_held, again.since) == (True, held.since)
    assert again.waiting and again.waiting.release and again.waiting.release.label == "1.2.0"
    resumed = house.controller.resume("shop", "bob")
    assert (resumed.held, resumed.was_held, resumed.waiting) == (False, True, again.waiting)
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    assert not house.controller.resume("shop", "bob").was_held
    assert [outcome for _, outcome in house.told()] == [
        "STARTED",
        "LIVE",
        "HELD",
        "SUPERSEDED",
        "RESUMED",
        "STARTED",
        "LIVE",
    ]


def test_an_app_that_no_upload_ever_named_cannot_be_held(house: House) -> None:
    with pytest.raises(UnknownApp):
        house.controller.hold("shpo", "typo", "ann")
    assert house.store.load("shpo").version == 0
