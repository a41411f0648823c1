"""Of many writers at once one wins and nothing is lost; one whose answer was lost does not race itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from twinslot.aws.store import Store
from twinslot.domain.model import Application, Decision, Deployment, Kind, UploadOrder
from twinslot.errors import LostRace

from tests.controller.conftest import NOW, TABLE, session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WRITERS = 8
ROUNDS = 200
UPDATES = 5
"""How many updates each writer makes where no writer waits for the others."""

PATIENCE_SECONDS = 60


@pytest.fixture
def dynamodb(engine: DynamoDBClient) -> DynamoDBClient:
    return engine


DEPLOYMENT = Deployment(f"01JD{1:022}", "shop", Kind.UPLOAD, UploadOrder("", "", NOW), None, "somebody")


def each_writer(work: Callable[[int], list[int]]) -> list[list[int]]:
    """What each of the writers did, all at the same time."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return [done.result() for done in [pool.submit(work, writer) for writer in range(WRITERS)]]


def test_each_round_has_one_winner_whose_update_the_next_round_finds(store: Store) -> None:
    found: list[Application] = []
    start = Barrier(WRITERS, action=lambda: found.append(store.load("shop")), timeout=PATIENCE_SECONDS)

    def write(writer: int) -> list[int]:
        """The numbers that this writer saved, one a round that it won."""
        won: list[int] = []
        try:
            for numbers in range(0, ROUNDS * WRITERS, WRITERS):
                start.wait()
                before, number = found[-1], numbers + writer
                with suppress(LostRace):
                    store.save(before, Decision(replace(before, fence=number)))
                    won.append(number)
        except BrokenBarrierError:
            pass  # Another one failed, and says why.
        except BaseException:
            start.abort()
            raise
        return won

    winners = sorted(number for won in each_writer(write) for number in won)
    found.append(store.load("shop"))
    assert [number // WRITERS for number in winners] == list(range(ROUNDS))
    assert [application.fence for application in found] == [0, *winners]
    assert [application.version for application in found] == list(range(ROUNDS + 1))


def test_no_update_is_lost_when_every_loser_decides_again(store: Store) -> None:
    def write(writer: int) -> list[int]:
        made: list[int] = []
        while len(made) < UPDATES:
            before = store.load("shop")
            with suppress(LostRace):
                made.append(store.save(before, Decision(replace(before, fence=before.fence + 1))).fence)
        return made

    made = sorted(fence for fences in each_writer(write) for fence in fences)
    assert made == list(range(1, WRITERS * UPDATES + 1))
    after = store.load("shop")
    assert after.fence == after.version == WRITERS * UPDATES


class LosesAnswers:
    """The way to DynamoDB: the first `losses` requests arrive, but their answers do not come back."""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.sent: list[dict[str, Any]] = []
        self._network = URLLib3Session()

    def __call__(self, request: AWSPreparedRequest, **_: object) -> None:
        assert isinstance(request.body, bytes)
        self.sent.append(json.loads(request.body))
        if len(self.sent) <= self.losses:
            assert self._network.send(request).status_code == 200
            raise ConnectionClosedError(endpoint_url=request.url)


def local_store(endpoint: str, way: LosesAnswers) -> Store:
    client = session().client("dynamodb", endpoint_url=endpoint)
    client.meta.events.register("before-send.dynamodb.TransactWriteItems", way)
    return Store(TABLE, client, clock=lambda: NOW)


@pytest.mark.parametrize("losses", [1, 2])
def test_a_save_whose_answer_was_lost_is_sent_again_and_does_not_lose_to_itself(
    local: DynamoDBClient, losses: int
) -> None:
    way = LosesAnswers(losses)
    store = local_store(local.meta.endpoint_url, way)
    before = store.load("shop")
    after = store.save(before, Decision(replace(before, fence=7), records=(DEPLOYMENT,)))
    assert store.load("shop") == after == Application("shop", fence=7, version=1)
    # The same request, so that DynamoDB knows it by its token.
    assert len(way.sent) == losses + 1
    assert all(sent == way.sent[0] for sent in way.sent)
    assert way.sent[0]["ClientRequestToken"]


def test_two_equal_saves_have_two_tokens(local: DynamoDBClient) -> None:
    """Else the second of two controllers that decide alike would believe that it won."""
    way = LosesAnswers(0)
    one, other = local_store(local.meta.endpoint_url, way), local_store(local.meta.endpoint_url, way)
    before = one.load("shop")
    one.save(before, Decision(before))
    with pytest.raises(LostRace):
        other.save(before, Decision(before))
    first, second = way.sent
    assert first.pop("ClientRequestToken") != second.pop("ClientRequestToken")
    assert first == second
