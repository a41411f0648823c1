"""State that a newer version wrote: what can be read is shown, and the rest is named with its version."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twinslot.shared.constants import VERSION

from tests.cli.conftest import Run, World

Twinslot = Callable[..., Run]
NEWER = "9.1.0"
NOTE = f"written by twinslot {NEWER}, this is {VERSION}"


@pytest.fixture(scope="module")
def deployed(world: World) -> str:
    """An app whose releases 1.0.0 and 1.1.0 went live."""
    app = world.app()
    for label in ("1.0.0", "1.1.0"):
        with world.process("deploy", str(world.jar(label)), "--app", app) as process:
            assert process.wait(30) == 0
    return app


@pytest.fixture
def app(world: World, deployed: str) -> Iterator[str]:
    """The same app for each test: what one wrote to the table is undone."""
    before = items(world, deployed, "")
    yield deployed
    client, table = world.aws.client("dynamodb"), world.aws.outputs["StateTable"]
    for item in before:
        client.put_item(TableName=table, Item=item)


def items(world: World, app: str, kind: str) -> list[dict[str, Any]]:
    """Return the items of an app whose sort key begins so."""
    return [
        item
        for item in world.aws.client("dynamodb").query(
            TableName=world.aws.outputs["StateTable"],
            KeyConditionExpression="pk = :app",
            ExpressionAttributeValues={":app": {"S": f"APP#{app}"}},
        )["Items"]
        if item["sk"]["S"].startswith(kind)
    ]


def deployment(world: World, app: str, label: str) -> dict[str, Any]:
    """Return the item of the deployment of a release."""
    found = items(world, app, "DEPLOYMENT#")
    return next(item for item in found if item["release"]["M"]["label"]["S"] == label)


def rewrite(world: World, item: dict[str, Any], **changes: dict[str, Any]) -> None:
    """Write the item again, with these changes, as the newer version."""
    newer = {**item, **changes, "written_by": {"S": NEWER}}
    world.aws.client("dynamodb").put_item(TableName=world.aws.outputs["StateTable"], Item=newer)


def test_an_outcome_of_a_newer_version_is_shown_in_the_history(
    world: World, twinslot: Twinslot, app: str
) -> None:
    item = deployment(world, app, "1.1.0")
    rewrite(world, item, outcome={"S": "PAUSED"}, reason={"S": "a new field"})

    run = twinslot("history", app)

    assert (run.code, run.err) == (0, "")
    rows = [line.split()[3:5] for line in run.out.splitlines()[1:]]
    assert sorted(rows) == [["LIVE", "1.0.0"], ["PAUSED", "1.1.0"]]
    told = twinslot("history", app, "--json").json
    assert {each["outcome"] for each in told["deployments"]} == {"LIVE", "PAUSED"}


def test_what_cannot_be_read_is_named_and_the_rest_shown(world: World, twinslot: Twinslot, app: str) -> None:
    item = deployment(world, app, "1.1.0")
    rewrite(world, item, timeline={"S": "compressed"})
    (host,) = items(world, app, "HOST#")
    rewrite(world, host, slots={"S": "compressed"})

    history = twinslot("history", app)
    status = twinslot("status", app)

    assert (history.code, status.code) == (0, 0)
    assert "LIVE        1.0.0" in history.out
    assert history.out.splitlines()[-1] == f"deployment {item['id']['S']} cannot be read: {NOTE}"
    assert "1.1.0  live since" in status.out
    assert f"host {host['host']['S']} cannot be read: {NOTE}" in status.out
    assert twinslot("history", app, "--json").json["unreadable"] == [history.out.splitlines()[-1]]
    assert twinslot("status", app, "--json").json["apps"][0]["unreadable"] == [
        f"host {host['host']['S']} cannot be read: {NOTE}"
    ]


def test_an_app_whose_state_cannot_be_read_is_an_error_of_one_line(
    world: World, twinslot: Twinslot, app: str
) -> None:
    (state,) = items(world, app, "STATE")
    rewrite(world, state, live={"S": "compressed"})
    try:
        status, everything = twinslot("status", app), twinslot("status")
        doctor, history, logs = twinslot("doctor", app), twinslot("history", app), twinslot("logs", app)
    finally:
        rewrite(world, state)

    assert (status.code, status.out) == (2, "")
    advice = "use the command line of the version that the stack has"
    assert status.err == f"twinslot: {app}: the state cannot be read: {NOTE}: {advice}\n"
    assert (everything.code, everything.err) == (0, "")
    assert f"{app}: the state cannot be read: {NOTE}" in everything.out
    assert f"? table               {app}: the state cannot be read: {NOTE}" in doctor.out
    assert (history.code, logs.code) == (0, 0), history.err + logs.err
    assert "LIVE        1.1.0" in history.out


def test_fields_and_acts_of_a_newer_version_stop_no_command(
    world: World, twinslot: Twinslot, app: str
) -> None:
    (state,) = items(world, app, "STATE")
    act = {"act": {"S": "Explode"}, "id": {"S": "x1"}, "at": {"N": "1"}, "written_by": {"S": NEWER}}
    rewrite(world, state, canary={"M": {"percent": {"N": "5"}}}, outbox={"L": [{"M": act}]})

    status = twinslot("status", app)
    doctor = twinslot("doctor", app)
    frozen = twinslot("freeze", app, "--why", "a test")
    rolled_back = twinslot("rollback", app)

    assert (status.code, status.err) == (0, "")
    assert "1.1.0  live since" in status.out
    assert NOTE in status.out
    assert NOTE in doctor.out
    assert "✗ deployments" not in doctor.out
    assert (frozen.code, rolled_back.code) == (0, 0), frozen.err + rolled_back.err
    (kept,) = items(world, app, "STATE")
    assert kept["canary"] == {"M": {"percent": {"N": "5"}}}
