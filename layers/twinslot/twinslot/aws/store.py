"""DynamoDB: the only importer of it. One table, `pk` and `sk`:

    APP#shop     STATE               the aggregate; `version` counts its writes
    APP#shop     DEPLOYMENT#01J…     history, newest last; expires
    APP#shop     HOST#i-0abc         the last report of a host; expires
    COMMAND#…    COMMAND             the app that an SSM command was sent for; expires
    SLACK#…      POST                of notify/ledger.py: an announcement that was posted; expires

Each item has `written_by`, the version of twinslot that wrote it. The sparse index `busy` (`busy`, `pk`)
lists the aggregates: "yes" for those that the scheduled check must process, "no" for the others.

Every decision is saved by one transaction that is conditional on the aggregate's version:

    controller A                    STATE, version 7                    controller B
    load, consistent read ───────────────▶│◀─────────────── load, consistent read
    decide                                │                               decide
    save, `version = 7` ─────────────────▶│ version 8
    act                                   │◀───────────────── save, `version = 7`
                                          │ condition fails, ALL_OLD ───▶ LostRace: the item of version 8
                                          │◀─────────────── load, consistent read
                                          │                               decide again

A save whose response was lost is retried by the client with the same token. For 10 minutes DynamoDB
responds to it as it did the first time: the controller does not lose a race against itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.exceptions import ClientError

from twinslot.aws.calling import TEMPORARY_CODES, calling
from twinslot.aws.codec import UNREADABLE, WRITTEN_BY, Attribute, decode_fields, encode, encode_fields
from twinslot.domain.model import (
    Application,
    Decision,
    Deployment,
    HostReport,
    Kind,
    Live,
    Outcome,
    Phase,
    written_by,
)
from twinslot.errors import GiveUp, LostRace, OtherVersion, TryAgain, UnknownCommand
from twinslot.intake.sanitize import quoted
from twinslot.shared.constants import VERSION

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
WRITTEN: Item = {WRITTEN_BY: {"S": VERSION}}
Value = TypeVar("Value")


@dataclass(frozen=True)
class Unreadable:
    """An item that this version cannot read. `id` is that of the deployment or the host, or "the state"."""

    id: str
    written_by: str | None

    def __str__(self) -> str:
        return f"{self.id} cannot be read: {written_by(self.written_by)}"


@dataclass(frozen=True)
class HostSnapshot:
    """A host's last report, and when it was saved (whole seconds since the epoch)."""

    report: HostReport
    at: float


class Store:
    """Loads and saves all of twinslot's state. `clock` returns seconds since the epoch; only the expiry of
    items depends on it."""

    def __init__(self, table: str, client: DynamoDBClient, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._client = client
        self._clock = clock

    def load(self, app: str) -> Application:
        """Return the aggregate of an app; a new one, of version 0, when it was never saved.

        Raises OtherVersion when this version cannot read it.
        """
        item = self._get(_app(app), STATE, f"loading {app}")
        if item is None:
            return Application(app)
        application = _decode(Application, item)
        if isinstance(application, Unreadable):
            raise OtherVersion(f"{app}: {application}")
        return application

    def save(self, before: Application, decision: Decision) -> Application:
        """Save a decision about `before` in one transaction; return the application with its new version.

        Reports that do not fit into the transaction are saved before it. Raises LostRace when another
        controller saved since `before` was loaded, TryAgain when DynamoDB throttles.
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

    def deployment(self, app: str, id: str) -> Deployment | Unreadable | None:
        """Return one deployment of the history."""
        item = self._get(_app(app), f"DEPLOYMENT#{id}", f"loading deployment {id} of {app}")
        return _decode(Deployment, item) if item else None

    def history(
        self, app: str, limit: int, outcome: Outcome | None = None
    ) -> tuple[Deployment | Unreadable, ...]:
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
        return tuple(_decode(Deployment, item) for item in items)

    def was_live(self, app: str, to: str) -> Live | None:
        """Return what a deployment that ended LIVE made live: the one with the id `to`, or the newest whose
        release has this label. None when there is none; joins do not count, since they make nothing live.

        Raises OtherVersion when this version cannot read the deployment.
        """
        if DEPLOYMENT_ID.fullmatch(to):
            named = self.deployment(app, to)
            if isinstance(named, Unreadable):
                raise OtherVersion(f"{app}: deployment {named}")
            if named and named.outcome is Outcome.LIVE and named.kind is not Kind.JOIN:
                return _live(named)
        if not to:
            return None
        items = self._query(
            f"looking for {quoted(to)} among the deployments of {app}",
            None,
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
        found = (_decode(Deployment, item) for item in items)
        return next((_live(each) for each in found if isinstance(each, Deployment)), None)

    def app_of_command(self, command: str) -> str:
        """Return the app that an SSM command was sent for. Raises UnknownCommand, also when the command was
        sent only just now."""
        item = self._get(f"COMMAND#{command}", "COMMAND", f"looking up command {command}")
        if not item:
            raise UnknownCommand(f"the command {quoted(command)} is not recorded (yet) as sent by twinslot")
        return str(item["app"]["S"])

    def busy_apps(self) -> tuple[str, ...]:
        """Return the apps that the scheduled check must process. The index lags about a second behind."""
        return self._apps("yes")

    def idle_apps(self) -> tuple[str, ...]:
        """Return the apps with nothing under way that have a live release or are frozen."""
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

    def host_snapshots(self, app: str) -> tuple[HostSnapshot | Unreadable, ...]:
        """Return the last report of each host of an app, by host name; terminated hosts stay for 90 days."""
        items = self._query(
            f"listing the hosts of {app}",
            None,
            KeyConditionExpression="pk = :app AND begins_with(sk, :host)",
            ExpressionAttributeValues={":app": {"S": _app(app)}, ":host": {"S": "HOST#"}},
        )
        return tuple(_snapshot(item) for item in items)

    def save_reports(self, app: str, reports: Iterable[HostReport]) -> None:
        """Save the last report of each of these hosts."""
        puts = [self._put(self._report(app, report)) for report in _last(reports)]
        for first in range(0, len(puts), MAX_IN_TRANSACTION):
            self._write(puts[first : first + MAX_IN_TRANSACTION], f"saving the reports of {app}'s hosts")

    def _put_state(self, saved: Application, version: int) -> TransactWriteItemTypeDef:
        item: Item = {"pk": {"S": _app(saved.name)}, "sk": {"S": STATE}, **encode_fields(saved), **WRITTEN}
        # Listed as busy, the acts of another version are found by its scheduled check as soon as it is back.
        busy = bool(saved.busy or saved.outbox)
        if busy or saved.live or saved.freeze:
            item["busy"] = {"S": "yes" if busy else "no"}
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
        return {**key, **encode_fields(deployment), **WRITTEN, "expires": self._expiry(HISTORY_SECONDS)}

    def _command(self, command: str, app: str) -> Item:
        key: Item = {"pk": {"S": f"COMMAND#{command}"}, "sk": {"S": "COMMAND"}}
        return {**key, "app": {"S": app}, **WRITTEN, "expires": self._expiry(COMMAND_SECONDS)}

    def _report(self, app: str, report: HostReport) -> Item:
        key: Item = {"pk": {"S": _app(app)}, "sk": {"S": f"HOST#{report.host}"}}
        return {**key, **encode_fields(report), **WRITTEN, "expires": self._expiry(REPORT_SECONDS)}

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
        """Yield the items that a query finds, page by page, at most `limit` of them."""
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


def _decode(kind: type[Value], item: Item) -> Value | Unreadable:
    """Return the value of an item, or Unreadable where another version wrote it in another shape."""
    try:
        return decode_fields(kind, item)
    except UNREADABLE:
        return Unreadable(item["sk"]["S"].partition("#")[2] or "the state", item.get(WRITTEN_BY, {}).get("S"))


def _snapshot(item: Item) -> HostSnapshot | Unreadable:
    report = _decode(HostReport, item)
    if isinstance(report, Unreadable):
        return report
    return HostSnapshot(report, float(item["expires"]["N"]) - REPORT_SECONDS)


def _last(reports: Iterable[HostReport]) -> tuple[HostReport, ...]:
    """Return the last report of each host: one transaction may write an item only once."""
    return tuple({report.host: report for report in reports}.values())


def _live(deployment: Deployment) -> Live | None:
    """Return what this deployment made live, and when its flip was commanded."""
    if deployment.release is None:
        return None
    flips = [entry.at for entry in deployment.timeline if entry.phase is Phase.FLIPPING]
    ends = [entry.at for entry in deployment.timeline if entry.phase is Phase.ENDED]
    return Live(deployment.release, deployment.id, (flips or ends or [deployment.order.at])[0])


def _cancelled(error: ClientError, doing: str) -> TryAgain | GiveUp:
    """Return the error for a cancelled transaction, by the reasons of its parts."""
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    if "ConditionalCheckFailed" in codes:
        found = next((reason["Item"]["version"]["N"] for reason in reasons if reason.get("Item")), "none")
        return LostRace(f"{doing}: version {found} was saved first")
    if "TransactionConflict" in codes:
        return LostRace(f"{doing}: another write was in progress")
    if codes and codes <= TEMPORARY_CODES:
        return TryAgain(f"{doing}: DynamoDB throttles ({', '.join(sorted(codes))})")
    return GiveUp(f"{doing}: {error}")
