"""What is saved is what is loaded, one writer wins, and only history expires; on moto as on AWS's engine."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from twinslot.aws import codec
from twinslot.aws.store import Store
from twinslot.domain.model import (
    NO_APP,
    Announce,
    AnnounceFreeze,
    Application,
    Decision,
    Deployment,
    Freeze,
    HostReport,
    Kind,
    Live,
    Outcome,
    Phase,
    PhaseEntry,
    Release,
    SlotReport,
    Step,
    Survey,
    UnknownAct,
    UploadOrder,
)
from twinslot.errors import GiveUp, LostRace, TryAgain, UnknownCommand

from tests.controller.conftest import NOW, TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAY = 86_400


@pytest.fixture
def dynamodb(engine: DynamoDBClient) -> DynamoDBClient:
    return engine


def identity(number: int) -> str:
    return f"01JD{number:022}"


def deployment(number: int, label: str = "1.4.2", outcome: Outcome | None = None) -> Deployment:
    return Deployment(
        id=identity(number),
        app="shop",
        kind=Kind.UPLOAD,
        order=UploadOrder("shop/a.jar", f"{number:X}", NOW + number),
        release=Release("artifacts", "shop/a.jar", f"v{number}", 10, label),
        by="somebody",
        phase=Phase.ENDED if outcome else Phase.STAGING,
        outcome=outcome,
        timeline=(PhaseEntry(Phase.STAGING, NOW), PhaseEntry(Phase.FLIPPING, NOW + 4.25)),
    )


def saved(store: Store, *records: Deployment) -> None:
    before = store.load("shop")
    store.save(before, Decision(before, records=records))


def items(dynamodb: DynamoDBClient) -> dict[tuple[str, str], dict[str, Any]]:
    found = dynamodb.scan(TableName=TABLE)["Items"]
    return {(item["pk"]["S"], item["sk"]["S"]): item for item in found}


def test_an_app_that_was_never_saved_is_fresh(store: Store) -> None:
    assert store.load("shop") == Application("shop")


def test_a_saved_application_is_loaded_a_version_on(store: Store) -> None:
    step = Step("stage", "stage", 1, NOW + 100.125, "11111111-2222-3333-4444-555555555555")
    current = replace(deployment(1), hosts=("i-1", "i-2"), step=step)
    live = Live(Release("b", "k", "v", 2**40, ""), identity(9), NOW)
    outbox = (Survey("a", NOW, identity(1)), Announce("b", NOW, deployment(3, outcome=Outcome.LIVE), None))
    application = Application("shop", live, None, current, deployment(2), UploadOrder("", "", 0.5), 7, outbox)
    after = store.save(Application("shop"), Decision(application))
    assert after == replace(application, version=1)
    assert store.load("shop") == after


def test_each_save_raises_the_version(store: Store) -> None:
    application = Application("shop")
    for version in (1, 2, 3):
        application = store.save(application, Decision(application))
        assert application.version == version


def test_of_two_who_loaded_the_same_version_one_wins(store: Store) -> None:
    first = store.load("shop")
    store.save(first, Decision(replace(first, fence=1)))
    with pytest.raises(LostRace, match="version 1 was saved first"):
        store.save(first, Decision(replace(first, fence=2)))
    assert store.load("shop").fence == 1

    second = store.load("shop")
    store.save(second, Decision(replace(second, fence=3)))
    with pytest.raises(LostRace, match="version 2 was saved first"):
        store.save(second, Decision(replace(second, fence=4)))
    assert store.load("shop").fence == 3


def test_who_lost_the_race_has_written_no_history_and_no_command(store: Store) -> None:
    first = store.load("shop")
    store.save(first, Decision(first))
    with pytest.raises(LostRace):
        store.save(first, Decision(first, records=(deployment(1),), commands=("c-1",)))
    assert store.deployment("shop", identity(1)) is None
    with pytest.raises(UnknownCommand):
        store.app_of_command("c-1")


def test_a_recorded_deployment_is_found_and_its_last_record_counts(store: Store) -> None:
    saved(store, deployment(1))
    saved(store, deployment(1), deployment(1, outcome=Outcome.LIVE))
    assert store.deployment("shop", identity(1)) == deployment(1, outcome=Outcome.LIVE)
    assert store.deployment("shop", identity(2)) is None
    assert store.deployment("billing", identity(1)) is None


def test_history_is_newest_first_and_at_most_the_limit(store: Store) -> None:
    saved(store, *(deployment(number) for number in (3, 1, 4, 2)))
    assert [found.id for found in store.history("shop", 3)] == [identity(4), identity(3), identity(2)]
    assert len(store.history("shop", 100)) == 4
    assert store.history("billing", 100) == ()


def test_a_command_is_known_from_the_save_that_learned_of_it(store: Store) -> None:
    application = store.load("shop")
    with pytest.raises(UnknownCommand, match='"c-1"'):
        store.app_of_command("c-1")
    store.save(application, Decision(application, commands=("c-1", "c-1")))
    assert store.app_of_command("c-1") == "shop"


def test_what_was_live_is_found_by_deployment_and_by_its_newest_label(store: Store) -> None:
    saved(
        store,
        deployment(1, "1.0", Outcome.LIVE),
        deployment(2, "1.0", Outcome.LIVE),
        deployment(3, "1.0", Outcome.FAILED),
        deployment(4, "2.0", Outcome.REVERTED),
        deployment(5, "3.0"),
    )
    newest = deployment(2, "1.0").release
    assert newest
    assert store.was_live("shop", "1.0") == Live(newest, identity(2), NOW + 4.25)
    by_id = store.was_live("shop", identity(1))
    assert by_id
    assert by_id.deployment == identity(1)
    for never in ("2.0", "3.0", "9.9", "", identity(3), identity(4), identity(5), identity(6), "DEPLOYMENT#"):
        assert store.was_live("shop", never) is None
    assert store.was_live("billing", "1.0") is None


def test_a_join_made_nothing_live(store: Store) -> None:
    join = replace(deployment(2, "1.0", Outcome.LIVE), kind=Kind.JOIN)
    saved(store, deployment(1, "1.0", Outcome.LIVE), join)
    found = store.was_live("shop", "1.0")
    assert found and found.deployment == identity(1)
    assert store.was_live("shop", identity(2)) is None


def test_an_app_that_is_frozen_before_its_first_release_is_idle_while_an_upload_waits(store: Store) -> None:
    shop = store.load("shop")
    waiting = deployment(1, "1.0")
    store.save(shop, Decision(replace(shop, freeze=Freeze("ann", "because", NOW), waiting=waiting)))
    assert (store.busy_apps(), store.idle_apps()) == ((), ("shop",))
    assert store.load("shop").freeze == Freeze("ann", "because", NOW)


def test_a_label_that_looks_like_a_deployment_is_found_too(store: Store) -> None:
    saved(store, deployment(1, identity(7), Outcome.LIVE))
    found = store.was_live("shop", identity(7))
    assert found
    assert found.deployment == identity(1)


def test_only_apps_with_something_to_look_after_are_busy(store: Store) -> None:
    for name in ("shop", "billing", NO_APP):
        fresh = store.load(name)
        store.save(fresh, Decision(replace(fresh, outbox=(Survey("a", NOW, identity(1)),))))
    assert set(store.busy_apps()) == {"shop", "billing", NO_APP}
    shop = store.load("shop")
    store.save(shop, Decision(replace(shop, outbox=())))
    assert set(store.busy_apps()) == {"billing", NO_APP}
    assert store.idle_apps() == ()


def test_an_app_with_a_live_release_and_nothing_under_way_is_idle(store: Store) -> None:
    shop = store.load("shop")
    live = Live(Release("b", "shop/1.jar", "v1", 10, "1.0.0"), identity(1), NOW)
    store.save(shop, Decision(replace(shop, live=live)))
    assert store.idle_apps() == ("shop",)
    assert store.busy_apps() == ()


def report(host: str, fence: int = 1) -> HostReport:
    slots = {"blue": SlotReport(None, "1.4.1", "active", True, 812)}
    origin = (host, "shop", "stage", "stage", identity(1))
    return HostReport(*origin, fence, True, "", ("a",), None, False, slots, None, {"start": 3.5})


def test_the_last_report_of_each_host_is_kept(store: Store, dynamodb: DynamoDBClient) -> None:
    store.save_reports("shop", [report("i-1", 1), report("i-2"), report("i-1", 2)])
    store.save_reports("shop", [report("i-2", 3)])
    store.save_reports("shop", [])
    kept = {sk: item for (_, sk), item in items(dynamodb).items()}
    assert set(kept) == {"HOST#i-1", "HOST#i-2"}
    assert codec.decode_fields(HostReport, kept["HOST#i-1"]) == report("i-1", 2)
    assert kept["HOST#i-2"]["fence"] == {"N": "3"}


def test_more_reports_than_one_transaction_holds_are_kept(store: Store, dynamodb: DynamoDBClient) -> None:
    store.save_reports("shop", [report(f"i-{number}") for number in range(130)])
    assert len(items(dynamodb)) == 130


def test_reports_are_kept_with_the_decision_that_they_led_to(store: Store, dynamodb: DynamoDBClient) -> None:
    before, many = store.load("shop"), tuple(report(f"i-{number}") for number in range(130))
    store.save(before, Decision(before, records=(deployment(1),), reports=(report("i-5", 9), *many)))
    kept = {sk: item for (_, sk), item in items(dynamodb).items() if sk.startswith("HOST#")}
    assert len(kept) == 130
    assert kept["HOST#i-5"]["fence"] == {"N": "1"}


def test_all_but_the_aggregate_expires(store: Store, dynamodb: DynamoDBClient) -> None:
    application = store.load("shop")
    store.save(application, Decision(application, records=(deployment(1),), commands=("c-1",)))
    store.save_reports("shop", [report("i-1")])
    assert {sk: item.get("expires", {}).get("N") for (_, sk), item in items(dynamodb).items()} == {
        "STATE": None,
        f"DEPLOYMENT#{identity(1)}": str(int(NOW) + 400 * DAY),
        "COMMAND": str(int(NOW) + 7 * DAY),
        "HOST#i-1": str(int(NOW) + 90 * DAY),
    }


class Refusing:
    """A client of which every call fails with this error."""

    def __init__(self, client: DynamoDBClient, error: Exception) -> None:
        self.exceptions = client.exceptions
        self.error = error

    def fail(self, **_: object) -> None:
        raise self.error

    transact_write_items = get_item = fail


def cancelled(dynamodb: DynamoDBClient, *codes: str) -> Exception:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return dynamodb.exceptions.TransactionCanceledException(answer, "TransactWriteItems")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("ConditionalCheckFailed", "None"), LostRace),
        (("None", "ConditionalCheckFailed"), LostRace),
        (("TransactionConflict",), LostRace),
        (("None", "ThrottlingError"), TryAgain),
        (("ProvisionedThroughputExceeded", "None"), TryAgain),
        (("ValidationError", "None"), GiveUp),
        (("ItemCollectionSizeLimitExceeded",), GiveUp),
    ],
)
def test_a_cancelled_transaction_is_explained_by_its_reasons(
    dynamodb: DynamoDBClient, codes: tuple[str, ...], expected: type[Exception]
) -> None:
    client: Any = Refusing(dynamodb, cancelled(dynamodb, *codes))
    with pytest.raises(expected) as raised:
        Store(TABLE, client).save(Application("shop"), Decision(Application("shop")))
    assert raised.type is expected


UNAVAILABLE: Any = {"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": 503}}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem"), TryAgain),
        (ClientError(UNAVAILABLE, "GetItem"), TryAgain),
        (EndpointConnectionError(endpoint_url="https://dynamodb"), TryAgain),
        (ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetItem"), GiveUp),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetItem"), GiveUp),
    ],
)
def test_an_error_of_the_client_is_wrapped(
    dynamodb: DynamoDBClient, error: Exception, expected: type[Exception]
) -> None:
    client: Any = Refusing(dynamodb, error)
    with pytest.raises(expected, match="loading shop") as raised:
        Store(TABLE, client).load("shop")
    assert raised.value.__cause__ is error


def anything(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that the model is made of, in DynamoDB's bounds: no lone surrogates, and numbers of
    at most 38 digits between 1E-130 and 1E+126."""
    origin, arms = get_origin(hint), get_args(hint)
    if hint is str:
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    if hint is float:
        return st.floats(0, 1e11).filter(lambda value: value == 0 or value > 1e-100)
    if hint is int:
        return st.integers(-(2**63), 2**63)
    if origin is tuple:
        return st.lists(anything(arms[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(anything(arms[0]), anything(arms[1]), max_size=3)
    if arms:
        return st.one_of([anything(arm) for arm in arms])
    if isinstance(hint, type) and is_dataclass(hint):
        known = {name: anything(of) for name, of in get_type_hints(hint).items() if name != "unknown"}
        act = {"unknown": st.just((("act", {"S": "Paint"}),))} if hint is UnknownAct else {}
        return st.builds(hint, **known, **act)
    return st.from_type(hint)


@given(anything(Application))
def test_any_application_survives_a_round_trip(application: Application) -> None:
    assert codec.decode_fields(Application, codec.encode_fields(application)) == application


@given(anything(HostReport))
def test_any_report_survives_a_round_trip(told: HostReport) -> None:
    assert codec.decode_fields(HostReport, codec.encode_fields(told)) == told


def test_an_item_of_an_older_version_takes_the_defaults() -> None:
    item = codec.encode_fields(Application("shop", fence=3))
    del item["outbox"]
    assert codec.decode_fields(Application, item) == Application("shop", fence=3)


def test_what_the_model_is_not_made_of_has_no_place_in_an_item() -> None:
    with pytest.raises(TypeError, match="set cannot be encoded"):
        codec.encode({1})


def test_a_freeze_that_was_written_under_its_old_name_is_still_read(
    store: Store, dynamodb: DynamoDBClient
) -> None:
    frozen = Freeze("ann", "because", NOW)
    act = AnnounceFreeze("shop/held-1", NOW, "shop", True, NOW, "ann", "because", None, None)
    store.save(Application("shop"), Decision(Application("shop", freeze=frozen, outbox=(act,))))
    key = {"pk": {"S": "APP#shop"}, "sk": {"S": "STATE"}}
    item = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    item["hold"] = item.pop("freeze")
    posted = item["outbox"]["L"][0]["M"]
    posted["act"], posted["held"] = {"S": "AnnounceHold"}, posted.pop("frozen")
    dynamodb.put_item(TableName=TABLE, Item=item)
    application = store.load("shop")
    assert (application.freeze, application.outbox) == (frozen, (act,))
