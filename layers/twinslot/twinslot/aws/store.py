"""DynamoDB: the only importer of it. One table, `pk` and `sk`:

    APP#shop     STATE               the aggregate; `version` counts its writes, `busy` marks it while it is
    APP#shop     DEPLOYMENT#01J…     history, newest last; expires
    APP#shop     HOST#i-0abc         the last report of a host; expires
    COMMAND#…    COMMAND             which app an SSM command is of; expires
    SLACK#…      POST                notify/ledger.py's own: an announcement that was posted; expires

The sparse index `busy` (`busy`, `pk`) holds the aggregates that the clock has to look after.

Every decision is saved by one transaction that is conditional on the aggregate's version:

    controller A                    STATE, version 7                    controller B
    load, consistent read ───────────────▶│◀─────────────── load, consistent read
    decide                                │                               decide
    save, `version = 7` ─────────────────▶│ version 8
    act                                   │◀───────────────── save, `version = 7`
                                          │ condition fails, ALL_OLD ───▶ LostRace: the item of version 8
                                          │◀─────────────── load, consistent read
                                          │                               decide again

A save whose answer was lost is sent again by the client with the same token, which DynamoDB answers as it
did the first time, for 10 minutes: the controller does not lose a race against itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from twinslot.aws.calling import TEMPORARY_CODES, calling
from twinslot.aws.codec import Attribute, decode_fields, encode, encode_fields
from twinslot.domain.model import (
    Application,
    Decision,
    Deployment,
    HostReport,
    Kind,
    Live,
    Outcome,
    Phase,
)
from twinslot.errors import GiveUp, LostRace, TryAgain, UnknownCommand
from twinslot.intake.sanitize import quoted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

STATE = "STATE"
DAY_SECONDS = 86_400
HISTORY_SECONDS = 400 * DAY_SECONDS
REPORT_SECONDS = 90 * DAY_SECONDS
COMMAND_SECONDS = 7 * DAY_SECONDS
MAX_IN_TRANSACTION = 100
DEPLOYMENT_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")

Item = dict[str, Attribute]


@dataclass(frozen=True)
class Heard:
    """A host's last report, and when it was kept (seconds since the epoch, whole ones)."""

    report: HostReport
    at: float


class Store:
    """What twinslot remembers. `clock` gives seconds since the epoch; it only dates what expires."""

    def __init__(self, table: str, client: DynamoDBClient, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._client = client
        self._clock = clock

    def load(self, app: str) -> Application:
        """The aggregate of an app; a fresh one, of version 0, when it was never saved."""
        item = self._get(_app(app), STATE, f"loading {app}")
        return decode_fields(Application, item) if item else Application(app)

    def save(self, before: Application, decision: Decision) -> Application:
        """Save a decision about `before` in one transaction; the application as saved, a version on.

        Reports that do not fit into it are kept before it. Raises LostRace when somebody saved since
        `before` was loaded, TryAgain when DynamoDB throttles.
        """
        saved = replace(decision.application, version=before.version + 1)
        records = {record.id: record for record in decision.records}
        writes = [
            self._put_state(saved, before.version),
            *(self._put(self._record(record)) for record in records.values()),
            *(self._put(self._command(command, saved.name)) for command in dict.fromkeys(decision.commands)),
        ]
        room = MAX_IN_TRANSACTION - len(writes)
        reports = _last(decision.reports)
        self.save_reports(saved.name, reports[room:])
        writes += [self._put(self._report(saved.name, report)) for report in reports[:room]]
        self._write(writes, f"saving version {saved.version} of {saved.name}")
        return saved

    def deployment(self, app: str, id: str) -> Deployment | None:
        """One deployment of the history."""
        item = self._get(_app(app), f"DEPLOYMENT#{id}", f"loading deployment {id} of {app}")
        return decode_fields(Deployment, item) if item else None

    def history(self, app: str, limit: int, outcome: Outcome | None = None) -> tuple[Deployment, ...]:
        """Return the deployments of an app, or those with this outcome, newest first, at most `limit`."""
        values = {":app": {"S": _app(app)}, ":deployment": {"S": "DEPLOYMENT#"}}
        only: dict[str, Any] = {}
        if outcome:
            values[":outcome"] = encode(outcome)
            only = {
                "FilterExpression": "#outcome = :outcome",
                "ExpressionAttributeNames": {"#outcome": "outcome"},
            }
        items = self._query(
            f"listing the deployments of {app}",
            limit,
            KeyConditionExpression="pk = :app AND begins_with(sk, :deployment)",
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            **only,
        )
        return tuple(decode_fields(Deployment, item) for item in items)

    def was_live(self, app: str, to: str) -> Live | None:
        """What a deployment that ended LIVE made live: the one with the id `to`, or the newest whose
        release has this label. None when there is none. A join made nothing live: it is not among them."""
        if DEPLOYMENT_ID.fullmatch(to):
            named = self.deployment(app, to)
            if named and named.outcome is Outcome.LIVE and named.kind is not Kind.JOIN:
                return _live(named)
        if not to:
            return None
        items = self._query(
            f"looking for {quoted(to)} among the deployments of {app}",
            1,
            KeyConditionExpression="pk = :app AND begins_with(sk, :deployment)",
            FilterExpression="#outcome = :live AND #kind <> :join AND #release.#label = :label",
            ExpressionAttributeNames={
                "#outcome": "outcome",
                "#kind": "kind",
                "#release": "release",
                "#label": "label",
            },
            ExpressionAttributeValues={
                ":app": {"S": _app(app)},
                ":deployment": {"S": "DEPLOYMENT#"},
                ":live": encode(Outcome.LIVE),
                ":join": encode(Kind.JOIN),
                ":label": {"S": to},
            },
            ScanIndexForward=False,
        )
        return next((_live(decode_fields(Deployment, item)) for item in items), None)

    def app_of_command(self, command: str) -> str:
        """The app that an SSM command was sent for. Raises UnknownCommand, also for one sent just now."""
        item = self._get(f"COMMAND#{command}", "COMMAND", f"looking up command {command}")
        if not item:
            raise UnknownCommand(f"no sending of the command {quoted(command)} is recorded")
        return str(item["app"]["S"])

    def busy_apps(self) -> tuple[str, ...]:
        """The apps that the clock has to look after. An index follows its table within a second or so."""
        return self._apps("yes")

    def idle_apps(self) -> tuple[str, ...]:
        """The apps that have a live release, or are frozen, and have nothing under way."""
        return self._apps("no")

    def _apps(self, busy: str) -> tuple[str, ...]:
        items = self._query(
            "listing the apps",
            None,
            IndexName="busy",
            KeyConditionExpression="#busy = :busy",
            ExpressionAttributeNames={"#busy": "busy"},
            ExpressionAttributeValues={":busy": {"S": busy}},
        )
        return tuple(item["pk"]["S"].removeprefix("APP#") for item in items)

    def heard(self, app: str) -> tuple[Heard, ...]:
        """The last report of each host of an app, by the hosts' names; terminated hosts stay for 90 days."""
        items = self._query(
            f"listing the hosts of {app}",
            None,
            KeyConditionExpression="pk = :app AND begins_with(sk, :host)",
            ExpressionAttributeValues={":app": {"S": _app(app)}, ":host": {"S": "HOST#"}},
        )
        return tuple(
            Heard(decode_fields(HostReport, item), float(item["expires"]["N"]) - REPORT_SECONDS)
            for item in items
        )

    def save_reports(self, app: str, reports: Iterable[HostReport]) -> None:
        """Keep the last report of each of these hosts."""
        puts = [self._put(self._report(app, report)) for report in _last(reports)]
        for first in range(0, len(puts), MAX_IN_TRANSACTION):
            self._write(puts[first : first + MAX_IN_TRANSACTION], f"saving the reports of {app}'s hosts")

    def _put_state(self, saved: Application, version: int) -> TransactWriteItemTypeDef:
        item: Item = {"pk": {"S": _app(saved.name)}, "sk": {"S": STATE}, **encode_fields(saved)}
        if saved.busy or saved.live or saved.freeze:
            item["busy"] = {"S": "yes" if saved.busy else "no"}
        put = {
            **self._put(item)["Put"],
            "ConditionExpression": "attribute_not_exists(pk)" if version == 0 else "version = :version",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if version:
            put["ExpressionAttributeValues"] = {":version": {"N": str(version)}}
        return cast("TransactWriteItemTypeDef", {"Put": put})

    def _put(self, item: Item) -> TransactWriteItemTypeDef:
        return {"Put": {"TableName": self._table, "Item": cast("Mapping[str, Any]", item)}}

    def _record(self, deployment: Deployment) -> Item:
        key: Item = {"pk": {"S": _app(deployment.app)}, "sk": {"S": f"DEPLOYMENT#{deployment.id}"}}
        return {**key, **encode_fields(deployment), "expires": self._expiry(HISTORY_SECONDS)}

    def _command(self, command: str, app: str) -> Item:
        key: Item = {"pk": {"S": f"COMMAND#{command}"}, "sk": {"S": "COMMAND"}}
        return {**key, "app": {"S": app}, "expires": self._expiry(COMMAND_SECONDS)}

    def _report(self, app: str, report: HostReport) -> Item:
        key: Item = {"pk": {"S": _app(app)}, "sk": {"S": f"HOST#{report.host}"}}
        return {**key, **encode_fields(report), "expires": self._expiry(REPORT_SECONDS)}

    def _expiry(self, seconds: int) -> Attribute:
        return {"N": str(int(self._clock()) + seconds)}

    def _write(self, writes: list[TransactWriteItemTypeDef], doing: str) -> None:
        with calling(doing, GiveUp):
            try:
                self._client.transact_write_items(TransactItems=writes)
            except self._client.exceptions.TransactionCanceledException as error:
                raise _cancelled(error, doing) from error

    def _get(self, pk: str, sk: str, doing: str) -> Item | None:
        with calling(doing, GiveUp):
            answer = self._client.get_item(
                TableName=self._table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
            )
        return cast("Item | None", answer.get("Item"))

    def _query(self, doing: str, limit: int | None, **query: Any) -> Iterator[Item]:
        """The items that a query finds, page after page, at most `limit` of them."""
        found = 0
        with calling(doing, GiveUp):
            for page in self._client.get_paginator("query").paginate(TableName=self._table, **query):
                for item in page["Items"]:
                    yield cast("Item", item)
                    found += 1
                    if found == limit:
                        return


def _app(name: str) -> str:
    return f"APP#{name}"


def _last(reports: Iterable[HostReport]) -> tuple[HostReport, ...]:
    """The last of these reports of each host: one transaction may write an item but once."""
    return tuple({report.host: report for report in reports}.values())


def _live(deployment: Deployment) -> Live | None:
    """What this deployment made live, and when it was told to."""
    if deployment.release is None:
        return None
    flips = [passage.at for passage in deployment.timeline if passage.phase is Phase.FLIPPING]
    ends = [passage.at for passage in deployment.timeline if passage.phase is Phase.ENDED]
    return Live(deployment.release, deployment.id, (flips or ends or [deployment.order.at])[0])


def _cancelled(error: ClientError, doing: str) -> TryAgain | GiveUp:
    """What a cancelled transaction means, by the reasons of its parts."""
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    if "ConditionalCheckFailed" in codes:
        found = next((reason["Item"]["version"]["N"] for reason in reasons if reason.get("Item")), "none")
        return LostRace(f"{doing}: version {found} was there first")
    if "TransactionConflict" in codes:
        return LostRace(f"{doing}: another write was under way")
    if codes and codes <= TEMPORARY_CODES:
        return TryAgain(f"{doing}: DynamoDB throttles ({', '.join(sorted(codes))})")
    return GiveUp(f"{doing}: {error}")
