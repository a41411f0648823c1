"""Which announcements were posted to a chat, and as which message: items of twinslot's table under `CHAT#…`.

SNS and Lambda deliver at least once. An invocation claims the announcement first, by one conditional write:

    invocation A                 SLACK#01J…                          invocation B
    claim until its deadline ───────▶│ until: 12:00:55 ◀──────────── claim: fails, BeingPosted
    post                             │
    record ─────────────────────────▶│ name: 1794441604.000100        claim again: fails, it was posted
                                     │ (or free again, when A failed)

The claim of an invocation that died is free after its deadline. Only when it died between posting and
recording does a message come twice.
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
    """Another invocation is posting it."""


class Ledger:
    """What was posted to one chat, such as Slack. `clock` gives seconds since the epoch."""

    def __init__(
        self, table: str, chat: str, client: DynamoDBClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = table
        self._chat = chat
        self._client = client
        self._clock = clock

    def claim(self, announcement: str, seconds: float) -> bool:
        """Keep others from posting it for so many seconds; return False when it was posted already.

        Raises BeingPosted while another's claim lasts, TryAgain and GiveUp.
        """
        now = self._clock()
        with calling(f"claiming {announcement} for {self._chat}", GiveUp):
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
                    raise BeingPosted(f"{announcement} is being posted to {self._chat}") from error
                return False
        return True

    def record(self, announcement: str, name: str | None) -> None:
        """Record that it was posted, and as which message (None: not known). Raises TryAgain and GiveUp."""
        self._put({**self._item(announcement), **({"name": {"S": name}} if name else {})})

    def release(self, announcement: str) -> None:
        """Free a claim: it was not posted. Raises TryAgain and GiveUp."""
        self._put({**self._item(announcement), "until": {"N": "0"}})

    def name(self, announcement: str) -> str | None:
        """Return the name of the message that it was posted as, None when it is not known.

        Raises TryAgain and GiveUp.
        """
        key = self._item(announcement)
        with calling(f"looking for {announcement} in {self._chat}", GiveUp):
            answer = self._client.get_item(
                TableName=self._table, Key={"pk": key["pk"], "sk": key["sk"]}, ConsistentRead=True
            )
        return answer.get("Item", {}).get("name", {}).get("S")

    def _put(self, item: Item) -> None:
        with calling(f"recording what was posted to {self._chat}", GiveUp):
            self._client.put_item(TableName=self._table, Item=item)

    def _item(self, announcement: str) -> Item:
        expires = int(self._clock()) + KEEP_SECONDS
        return {
            "pk": {"S": f"{self._chat.upper()}#{announcement}"},
            "sk": {"S": POST},
            "expires": {"N": str(expires)},
        }
