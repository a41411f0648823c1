"""State that another version of twinslot wrote: it stops neither other apps nor what does not need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from twinslot.aws.store import HostSnapshot, Unreadable
from twinslot.domain.lifecycle import LEASE_SECONDS
from twinslot.domain.model import Deployment, HostReport, HostResult, SlotReport
from twinslot.errors import OtherVersion, UnknownApp
from twinslot.shared.constants import VERSION

from tests.controller.conftest import TABLE
from tests.controller.controller_fixture import ControllerFixture

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
PAINT: Item = {
    "M": {
        "act": {"S": "Paint"},
        "id": {"S": "shop/paint"},
        "at": {"N": "1.5"},
        "colour": {"S": "red"},
        "written_by": {"S": "0.2.0"},
    }
}
NOTE = f"written by twinslot 0.2.0, this is {VERSION}"


def items(client: DynamoDBClient) -> list[Any]:
    return client.scan(TableName=TABLE)["Items"]


def item(fixture: ControllerFixture, sk: str, app: str = "shop") -> Item:
    key = {"pk": {"S": f"APP#{app}"}, "sk": {"S": sk}}
    return fixture.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]  # type: ignore[return-value]


def put(fixture: ControllerFixture, changed: Item) -> None:
    fixture.dynamodb.put_item(TableName=TABLE, Item={**changed, "written_by": {"S": "0.2.0"}})


def put_probing(fixture: ControllerFixture) -> str:
    """A deployment that a later version put into a phase of its own, under way beside a live release."""
    fixture.deploy("1.0.0")
    fixture.deploy("1.1.0")
    deployment = fixture.upload("1.2.0")
    state = item(fixture, "STATE")
    state["current"]["M"] |= {"phase": {"S": "probing"}, "written_by": {"S": "0.2.0"}}
    put(fixture, state)
    return deployment


def report(host: str) -> HostReport:
    slots = {"green": SlotReport("ab" * 32, "1.0.0", "active", True, 7)}
    return HostReport(host, "shop", "report", "report", "", 0, True, "", (), "green", False, slots, None, {})


def test_every_item_names_the_version_that_wrote_it(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.store.save_reports("shop", [report("i-0a")])
    found = items(fixture.dynamodb)
    kinds = {each["sk"]["S"].partition("#")[0] for each in found}
    assert kinds == {"STATE", "DEPLOYMENT", "HOST", "COMMAND"}
    assert all(each["written_by"] == {"S": VERSION} for each in found)


def test_unknown_fields_outlast_the_saves_of_this_version(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    state = item(fixture, "STATE")
    state["weights"] = {"M": {"blue": {"N": "5"}}}
    state["live"]["M"]["release"]["M"]["signature"] = {"S": "x"}
    put(fixture, state)
    fixture.deploy("1.1.0")
    state = item(fixture, "STATE")
    assert state["weights"] == {"M": {"blue": {"N": "5"}}}
    assert state["previous"]["M"]["release"]["M"]["signature"] == {"S": "x"}
    assert state["written_by"] == {"S": VERSION}


def test_the_act_of_another_version_is_kept_for_it_and_stops_nothing(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    state = item(fixture, "STATE")
    state["outbox"] = {"L": [PAINT]}
    put(fixture, state)
    fixture.deploy("1.1.0")
    state = item(fixture, "STATE")
    assert state["outbox"] == {"L": [PAINT]}
    # Listed as busy, it is found by the other version's scheduled check; reports are requested all the same.
    assert state["busy"] == {"S": "yes"}
    fixture.now += LEASE_SECONDS
    fixture.controller.scheduled_check()
    assert item(fixture, "STATE") == state
    fixture.controller.request_reports()
    assert fixture.fleet.requested == [("shop", ("i-0a", "i-0b"))]
    fixture.fleet.reported = (HostResult("i-0a", True, report=report("i-0a")),)
    fixture.controller.hosts_reported("shop", "report-of-shop")
    assert item(fixture, "STATE")["outbox"]["L"][0] == PAINT


def test_a_deployment_of_another_version_is_named_and_other_apps_go_on(fixture: ControllerFixture) -> None:
    deployment = put_probing(fixture)
    upload = fixture.event("cart/cart-1.jar", b"no jar")
    fixture.receive(upload)
    cart = item(fixture, "STATE", "cart")
    put(fixture, {**cart, "busy": {"S": "yes"}})
    fixture.now += 10_000
    with pytest.raises(OtherVersion, match=f"{deployment} .upload, probing. cannot be continued: {NOTE}"):
        fixture.controller.scheduled_check()
    current = fixture.application().current
    assert current and current.id == deployment and current.phase.value == "probing"


def test_a_command_of_an_unknown_phase_is_not_continued(fixture: ControllerFixture) -> None:
    put_probing(fixture)
    with pytest.raises(OtherVersion, match=NOTE):
        fixture.end_step()


def test_a_command_of_an_unknown_phase_is_not_sent(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.fleet.trouble = RuntimeError("the function dies")
    with pytest.raises(RuntimeError):
        fixture.upload("1.1.0")
    sent = list(fixture.fleet.sent)
    state = item(fixture, "STATE")
    state["current"]["M"] |= {"phase": {"S": "probing"}, "written_by": {"S": "0.2.0"}}
    put(fixture, state)
    fixture.now += LEASE_SECONDS
    with pytest.raises(OtherVersion, match=NOTE):
        fixture.controller.scheduled_check()
    assert fixture.fleet.sent == sent
    assert any(act.id.endswith("/stage") for act in fixture.application().outbox)


def test_a_rollback_cancels_the_deployment_of_another_version(fixture: ControllerFixture) -> None:
    deployment = put_probing(fixture)
    fixture.heard()
    rollback = fixture.controller.rollback("shop", None, "ann", "request-1")
    assert rollback.to == "1.0.0"
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    assert fixture.heard() == [("1.2.0", "CANCELLED"), ("1.0.0", "LIVE")]
    record = fixture.store.deployment("shop", deployment)
    assert isinstance(record, Deployment)
    assert [entry.phase.value for entry in record.timeline][-1] == "ended"
    assert record.failure and record.failure.phase.value == "probing"


def test_a_state_that_cannot_be_read_stops_its_app_alone(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    state = item(fixture, "STATE")
    put(fixture, {**state, "pk": {"S": "APP#cart"}, "name": {"S": "cart"}, "live": {"L": []}})
    with pytest.raises(OtherVersion, match=f"cart: the state cannot be read: {NOTE}"):
        fixture.store.load("cart")
    with pytest.raises(OtherVersion, match=NOTE):
        fixture.controller.rollback("cart", None, "ann", "request-1")
    with pytest.raises(OtherVersion, match=NOTE):
        fixture.controller.request_reports()
    assert fixture.fleet.requested[-1] == ("shop", ("i-0a", "i-0b"))
    fixture.deploy("1.1.0")


def test_a_record_that_cannot_be_read_is_named_and_the_others_are_listed(fixture: ControllerFixture) -> None:
    first, second = fixture.deploy("1.0.0"), fixture.deploy("1.1.0")
    record = item(fixture, f"DEPLOYMENT#{first}")
    del record["order"]
    put(fixture, record)
    listed = fixture.store.history("shop", 10)
    assert [each.id for each in listed] == [second, first]
    assert [type(each) for each in listed] == [Deployment, Unreadable]
    assert str(listed[1]) == f"{first} cannot be read: {NOTE}"
    with pytest.raises(OtherVersion, match=f"shop: deployment {first} cannot be read: {NOTE}"):
        fixture.store.was_live("shop", first)
    assert fixture.store.was_live("shop", "1.0.0") is None
    # A repeated event is recognised whatever the record says.
    assert fixture.controller.rollback("shop", None, "ann", "request-1").to == "1.0.0"


def test_a_record_without_a_version_names_an_unknown_one(fixture: ControllerFixture) -> None:
    deployment = fixture.deploy("1.0.0")
    record = item(fixture, f"DEPLOYMENT#{deployment}")
    del record["written_by"], record["kind"]
    fixture.dynamodb.put_item(TableName=TABLE, Item=record)
    (listed,) = fixture.store.history("shop", 10)
    assert str(listed).endswith(
        f"cannot be read: written by an unknown version of twinslot, this is {VERSION}"
    )


def test_a_report_that_cannot_be_read_is_named_and_the_others_are_listed(fixture: ControllerFixture) -> None:
    fixture.store.save_reports("shop", [report("i-0a"), report("i-0b")])
    host = item(fixture, "HOST#i-0a")
    del host["slots"]
    put(fixture, host)
    other, readable = fixture.store.host_snapshots("shop")
    assert isinstance(other, Unreadable) and str(other) == f"i-0a cannot be read: {NOTE}"
    assert isinstance(readable, HostSnapshot) and readable.report.host == "i-0b"


def test_a_rollback_of_an_app_that_was_never_deployed_names_the_apps(fixture: ControllerFixture) -> None:
    with pytest.raises(UnknownApp, match="nope was never deployed here; there is nothing yet"):
        fixture.controller.rollback("nope", None, "ann", "request-1")
    fixture.deploy("1.0.0")
    with pytest.raises(UnknownApp, match="nope was never deployed here; there are: shop"):
        fixture.controller.rollback("nope", "1.0.0", "ann", "request-2")


def test_a_setting_of_another_version_refuses_an_upload_but_no_rollback(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.deploy("1.1.0")
    value = '{"bake_seconds": 7, "steps": ["10%", "all"]}'
    fixture.ssm.put_parameter(Name="/twinslot/apps/shop", Value=value, Type="String")

    fixture.upload("1.2.0")
    assert fixture.heard()[-1] == ("1.2.0", "REFUSED")

    fixture.controller.rollback("shop", None, "ann", "request-1")
    current = fixture.store.load("shop").current
    assert current and current.settings.bake_seconds == 7
