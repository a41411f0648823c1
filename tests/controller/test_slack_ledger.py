"""An announcement that comes again is posted once: on moto and on AWS's own engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from twinslot.errors import GiveUp
from twinslot.notify.ledger import BeingPosted, Ledger

from tests.controller.conftest import NOW, TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ID = "01JD0000000000000000000002"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(engine: DynamoDBClient, clock: Clock) -> Ledger:
    return Ledger(TABLE, "Slack", engine, clock)


def test_what_was_posted_is_not_claimed_again_and_its_name_is_known(ledger: Ledger) -> None:
    assert ledger.name(f"{ID}/started") is None
    assert ledger.claim(f"{ID}/started", 60)
    ledger.record(f"{ID}/started", "1794441604.000100")
    assert not ledger.claim(f"{ID}/started", 60)
    assert ledger.name(f"{ID}/started") == "1794441604.000100"
    assert ledger.claim(ID, 60)


def test_what_another_invocation_is_posting_is_retried_later(ledger: Ledger, clock: Clock) -> None:
    assert ledger.claim(ID, 60)
    with pytest.raises(BeingPosted, match=ID):
        ledger.claim(ID, 60)
    assert ledger.name(ID) is None
    clock.now += 61
    assert ledger.claim(ID, 60)


def test_what_failed_can_be_claimed_at_once(ledger: Ledger) -> None:
    assert ledger.claim(ID, 60)
    ledger.release(ID)
    assert ledger.claim(ID, 60)


def test_a_message_without_a_name_counts_as_posted(ledger: Ledger) -> None:
    ledger.claim(ID, 60)
    ledger.record(ID, None)
    assert not ledger.claim(ID, 60)
    assert ledger.name(ID) is None


def test_of_many_at_once_one_posts(ledger: Ledger) -> None:
    def claimed(_: int) -> bool:
        try:
            return ledger.claim(ID, 60)
        except BeingPosted:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claimed, range(16))) == 1


def test_records_expire_beside_the_controllers_items(engine: DynamoDBClient, ledger: Ledger) -> None:
    ledger.claim(ID, 60)
    ledger.record(ID, "1.2")
    (item,) = engine.scan(TableName=TABLE)["Items"]
    assert item == {
        "pk": {"S": f"SLACK#{ID}"},
        "sk": {"S": "POST"},
        "name": {"S": "1.2"},
        "expires": {"N": str(int(NOW) + 30 * 86_400)},
    }


def test_a_missing_table_is_named(dynamodb: DynamoDBClient) -> None:
    with pytest.raises(GiveUp, match=f"claiming {ID} for Slack"):
        Ledger("nothing", "Slack", dynamodb).claim(ID, 60)
