"""What the table says, decoded once for each item."""

from __future__ import annotations

from functools import cache

from twinslot.aws.codec import decode_fields
from twinslot.domain.model import Application, Deployment

from lab.model.fake_aws import APP
from lab.model.state import World, item

STATE = (f"APP#{APP}", "STATE")


@cache
def application_of(state: int) -> Application:
    return decode_fields(Application, item(state))


@cache
def deployment_of(record: int) -> Deployment:
    return decode_fields(Deployment, item(record))


def application(world: World) -> Application:
    """The aggregate of the app."""
    state = world.table.get(STATE)
    return Application(APP) if state is None else application_of(state)


def records(world: World) -> dict[str, Deployment]:
    """The app's history, by id."""
    return {
        key[1].removeprefix("DEPLOYMENT#"): deployment_of(record)
        for key, record in world.table.items()
        if key[1].startswith("DEPLOYMENT#")
    }
