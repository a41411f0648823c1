"""An announcement that comes again is posted once: on moto and on AWS's own engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from twinslot.errors import GiveUp

from functions.slack.ledger import BeingPosted, Ledger
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
def posted(engine: DynamoDBClient, clock: Clock) -> Ledger:
    return Ledger(TABLE, engine, clock)


def test_what_was_posted_is_not_claimed_again_and_its_name_is_known(posted: Ledger) -> None:
    assert posted.name(f"{ID}/started") is None
    assert posted.claim(f"{ID}/started", 60)
    posted.note(f"{ID}/started", "1794441604.000100")
    assert not posted.claim(f"{ID}/started", 60)
    assert posted.name(f"{ID}/started") == "1794441604.000100"
    assert posted.claim(ID, 60)


def test_what_another_posts_just_now_is_asked_for_later(posted: Ledger, clock: Clock) -> None:
    assert posted.claim(ID, 60)
    with pytest.raises(BeingPosted, match=ID):
        posted.claim(ID, 60)
    assert posted.name(ID) is None
    clock.now += 61
    assert posted.claim(ID, 60)


def test_what_failed_may_be_claimed_at_once(posted: Ledger) -> None:
    assert posted.claim(ID, 60)
    posted.release(ID)
    assert posted.claim(ID, 60)


def test_a_message_without_a_name_counts_as_posted(posted: Ledger) -> None:
    posted.claim(ID, 60)
    posted.note(ID, None)
    assert not posted.claim(ID, 60)
    assert posted.name(ID) is None


def test_of_many_at_once_one_posts(posted: Ledger) -> None:
    def claimed(_: int) -> bool:
        try:
            return posted.claim(ID, 60)
        except BeingPosted:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claimed, range(16))) == 1


def test_notes_expire_and_stand_beside_the_controllers_items(engine: DynamoDBClient, posted: Ledger) -> None:
    posted.claim(ID, 60)
    posted.note(ID, "1.2")
    (item,) = engine.scan(TableName=TABLE)["Items"]
    assert item == {
        "pk": {"S": f"SLACK#{ID}"},
        "sk": {"S": "POST"},
        "name": {"S": "1.2"},
        "expires": {"N": str(int(NOW) + 30 * 86_400)},
    }


def test_a_table_that_is_not_there_is_said(dynamodb: DynamoDBClient) -> None:
    with pytest.raises(GiveUp, match=f"claiming {ID} for Slack"):
        Ledger("nothing", dynamodb).claim(ID, 60)
