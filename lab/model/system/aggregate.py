"""Decodes the table's items, each once."""

from __future__ import annotations

from functools import cache

from twinslot.aws.codec import decode_fields
from twinslot.domain.model import Application, Deployment

from lab.model.system.fake_aws import APP
from lab.model.system.items import item
from lab.model.system.state import State

STATE = (f"APP#{APP}", "STATE")


@cache
def application_of(state: int) -> Application:
    return decode_fields(Application, item(state))


@cache
def deployment_of(record: int) -> Deployment:
    return decode_fields(Deployment, item(record))


def application(state: State) -> Application:
    """Return the app's aggregate."""
    found = state.table.get(STATE)
    return Application(APP) if found is None else application_of(found)


def records(state: State) -> dict[str, Deployment]:
    """Return the app's deployments by id."""
    return {
        key[1].removeprefix("DEPLOYMENT#"): deployment_of(record)
        for key, record in state.table.items()
        if key[1].startswith("DEPLOYMENT#")
    }
