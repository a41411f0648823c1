"""Which announcements were posted, and as which message: items of twinslot's table under `SLACK#…`.

SNS and Lambda deliver at least once. Whoever posts claims the announcement first, by one conditional write:

    invocation A                 SLACK#01J…                          invocation B
    claim until its deadline ───────▶│ until: 12:00:55 ◀──────────── claim: fails, BeingPosted
    post                             │
    note ───────────────────────────▶│ name: 1794441604.000100        claim again: fails, it was posted
                                     │ (or free again, when A failed)

A claim whose holder died is free after his deadline. Only one who dies between posting and noting leaves a
message that comes twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twinslot.aws.calling import calling
from twinslot.errors import GiveUp, TryAgain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item = dict[str, AttributeValueTypeDef]

POST = "POST"
KEEP_SECONDS = 30 * 86_400


class BeingPosted(TryAgain):
    """Another invocation posts it just now."""


class Ledger:
    """What was posted. `clock` gives seconds since the epoch."""

    def __init__(self, table: str, client: DynamoDBClient, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._client = client
        self._clock = clock

    def claim(self, announcement: str, seconds: float) -> bool:
        """Keep others from posting it for so many seconds; False when it was posted already.

        Raises BeingPosted while another's claim lasts, TryAgain and GiveUp.
        """
        now = self._clock()
        with calling(f"claiming {announcement} for Slack", GiveUp):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item={**self._item(announcement), "until": {"N": str(now + seconds)}},
                    # A posted one has no `until`, and is compared with nothing.
                    ConditionExpression="attribute_not_exists(pk) OR #until < :now",
                    ExpressionAttributeNames={"#until": "until"},
                    ExpressionAttributeValues={":now": {"N": str(now)}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                found: Item = error.response.get("Item", {})  # type: ignore[assignment]
                if "until" in found:
                    raise BeingPosted(f"{announcement} is being posted to Slack just now") from error
                return False
        return True

    def note(self, announcement: str, name: str | None) -> None:
        """It was posted, as the message of this name (None: not told). Raises TryAgain and GiveUp."""
        self._put({**self._item(announcement), **({"name": {"S": name}} if name else {})})

    def release(self, announcement: str) -> None:
        """It was not posted: anybody may claim it. Raises TryAgain and GiveUp."""
        self._put({**self._item(announcement), "until": {"N": "0"}})

    def name(self, announcement: str) -> str | None:
        """The message that it was posted as; None when nobody knows. Raises TryAgain and GiveUp."""
        key = self._item(announcement)
        with calling(f"looking for {announcement} in Slack", GiveUp):
            answer = self._client.get_item(
                TableName=self._table, Key={"pk": key["pk"], "sk": key["sk"]}, ConsistentRead=True
            )
        return answer.get("Item", {}).get("name", {}).get("S")

    def _put(self, item: Item) -> None:
        with calling("noting what was posted to Slack", GiveUp):
            self._client.put_item(TableName=self._table, Item=item)

    def _item(self, announcement: str) -> Item:
        expires = int(self._clock()) + KEEP_SECONDS
        return {"pk": {"S": f"SLACK#{announcement}"}, "sk": {"S": POST}, "expires": {"N": str(expires)}}
