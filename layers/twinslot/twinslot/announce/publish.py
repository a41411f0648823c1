"""How deployments and their outcomes are told: text for people, JSON for programs, attributes to filter on.

One SNS message serves all: with `MessageStructure: json` an email subscription gets the text, an HTTPS one
what Amazon Q reads (chat.py), and every other protocol (Lambda, SQS, …) the `default`, which is this JSON,
stable, fields only ever added:

    {"twinslot": 1,                     the version of this shape
     "announcement": "01J…",            the deployment's id: a message that bears it again is a repeat
     "deployment": "01J…", "app": "shop", "kind": "upload" | "rollback" | "join", "by": "…",
     "outcome": "LIVE" | "FAILED" | "REVERTED" | "REFUSED" | "SUPERSEDED" | "CANCELLED",
     "at": 1790000000.0,                when it ended, in seconds since the epoch
     "key": "shop/shop-1.4.2.jar",      what was uploaded; "" for a rollback and a join
     "release": {"label", "bucket", "key", "version", "size", "sha256"} | null,
     "live": {"label", "deployment", "since"} | null,    what traffic goes to now
     "seconds": {"staging": 4.2, …},    spent in each phase, in order
     "failure": {"phase", "host", "reason", "log": []} | null,
     "hosts": ["i-…"],                  that were commanded
     "unconfirmed": ["i-…"],            of which nobody knows what they run
     "rollback": "aws lambda invoke …" | null,           goes back to `previous`, also when it is copied late
     "previous": {"label", "deployment", "since"} | null}

A deployment that begins to stage is told with the outcome STARTED, unless it ended before it could be told:

    {"twinslot": 1, "announcement": "01J…/started", "deployment": "01J…", "app": "shop", "kind": "upload",
     "by": "…", "outcome": "STARTED", "at": 1790000000.0, "key": "…", "release": {…}, "live": {…} | null}

An app that was frozen or unfrozen has the outcome FROZEN or UNFROZEN; `by` asked for it:

    {"twinslot": 1, "announcement": "shop/frozen-…", "app": "shop", "outcome": "FROZEN", "at": 1790000000.0,
     "by": "…", "why": "why it is, or was, frozen", "waiting": "1.4.2" | null, "live": {…} | null,
     "unfreeze": "aws lambda invoke …" | null}

Hosts that are not as the table says are told with the outcome DRIFT:

    {"twinslot": 1, "announcement": "shop/drift-…", "app": "shop", "outcome": "DRIFT", "at": 1790000000.0,
     "differences": [{"host": "i-…", "what": "users get …"}],    30 at most
     "others": 0,                       of how many hosts more the same could be told
     "live": {…} | null}
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twinslot.announce.amazon_q import custom_notification
from twinslot.aws.calling import calling
from twinslot.domain.model import (
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Deployment,
    Failure,
    Kind,
    Live,
    Outcome,
    Phase,
    Warn,
)
from twinslot.errors import GiveUp
from twinslot.intake.sanitize import sanitize

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

FORMAT = 1
STARTED = "STARTED"
FROZEN = "FROZEN"
UNFROZEN = "UNFROZEN"
DRIFT = "DRIFT"
MAX_SUBJECT_CHARACTERS = 99
"""SNS takes less than 100 characters of ASCII and no control character."""

MAX_WORD_CHARACTERS = 100
MAX_KEY_CHARACTERS = 255
MAX_REASON_CHARACTERS = 1000
MAX_LINE_CHARACTERS = 500
MAX_LINES = 50
MAX_DIFFERENCE_CHARACTERS = 300
MAX_DIFFERENCES = 30
"""SNS takes 256 KB in all, and a label's character may come to some thirty bytes: it is told four times."""

BEFORE_TRAFFIC = (Phase.WAITING, Phase.STAGING)


@dataclass(frozen=True)
class Announcement:
    """What is published: `json` is for programs, `text` for people."""

    id: str
    subject: str
    text: str
    json: str
    attributes: dict[str, str]


class Announcer:
    """Publishes on one SNS topic. The functions are the names that the commands to copy call."""

    def __init__(self, topic: str, rollback_function: str, freeze_function: str, sns: SNSClient) -> None:
        self._topic = topic
        self._rollback_function = rollback_function
        self._freeze_function = freeze_function
        self._sns = sns

    def publish(self, act: Announce | AnnounceStart | AnnounceFreeze | Warn) -> None:
        """Tell it. Raises TryAgain, or GiveUp when SNS will never take it."""
        match act:
            case Announce():
                announcement = compose(act, self._rollback_function)
            case AnnounceStart():
                announcement = start(act)
            case AnnounceFreeze():
                announcement = freeze(act, self._freeze_function)
            case Warn():
                announcement = warn(act)
        message = {
            "default": announcement.json,
            "email": announcement.text,
            "https": custom_notification(json.loads(announcement.json)),
            "sms": announcement.subject,
        }
        attributes: dict[str, MessageAttributeValueTypeDef] = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in announcement.attributes.items()
        }
        with calling(f"announcing {act.id}", GiveUp):
            self._sns.publish(
                TopicArn=self._topic,
                Subject=announcement.subject,
                Message=json.dumps(message),
                MessageStructure="json",
                MessageAttributes=attributes,
            )


def compose(act: Announce, rollback_function: str) -> Announcement:
    """How an ended deployment is told; the rollback command only where there is a release to go back to."""
    deployment, live, previous = act.deployment, act.live, act.previous
    outcome = deployment.outcome
    if outcome is None:
        raise ValueError(f"{deployment.id} has no outcome to announce")
    if deployment.kind is Kind.JOIN:
        # It moved nothing that a rollback would take back.
        previous = None
    # It names where it goes: "the one before" is another one when somebody copies this tomorrow.
    asked = {"app": deployment.app, "to": previous.deployment} if previous else None
    rollback = _invoke(rollback_function, asked) if asked else None
    subject = f"twinslot {deployment.app} {_name(deployment)} {outcome.value}"
    return Announcement(
        id=deployment.id,
        subject=_ascii(subject, MAX_SUBJECT_CHARACTERS),
        text=_text(deployment, outcome, live, previous, rollback),
        json=_json(deployment, outcome, live, previous, rollback),
        attributes={"app": deployment.app, "outcome": outcome.value, "announcement": deployment.id},
    )


def start(act: AnnounceStart) -> Announcement:
    """How a deployment that begins to stage is told."""
    deployment = act.deployment
    subject = f"twinslot {deployment.app} {_name(deployment)} {STARTED}"
    paragraphs = [
        f"{deployment.app} {_name(deployment)}: {STARTED}\nIt is staged on {_hosts(deployment.hosts)}; "
        "its end will be told.",
        _now_live(act.live),
        f"Deployment {deployment.id}, {_origin(deployment)}",
    ]
    began = deployment.timeline[-1].at if deployment.timeline else None
    body = {**_json_head(deployment, STARTED), "announcement": act.id, "at": began}
    return Announcement(
        id=act.id,
        subject=_ascii(subject, MAX_SUBJECT_CHARACTERS),
        text="\n\n".join(paragraphs) + "\n",
        json=json.dumps({**body, "live": _live_json(act.live)}),
        attributes={"app": deployment.app, "outcome": STARTED, "announcement": act.id},
    )


def freeze(act: AnnounceFreeze, freeze_function: str) -> Announcement:
    """Return the announcement of a freeze or of its end; a freeze has the command that ends it."""
    outcome = FROZEN if act.frozen else UNFROZEN
    by, why = sanitize(act.by, MAX_WORD_CHARACTERS), sanitize(act.why, MAX_REASON_CHARACTERS)
    unfreeze = _invoke(freeze_function, {"app": act.app, "freeze": False}) if act.frozen else None
    waiting = sanitize(act.waiting, MAX_WORD_CHARACTERS) if act.waiting else None
    if act.frozen:
        said = f"{by} froze it: {why}\nUploads wait; the newest one goes live when {act.app} is unfrozen."
        left = f"Waiting: {waiting or 'nothing'}."
    else:
        said = f"{by} unfroze it. It was frozen because: {why}"
        left = f"{waiting} waited and goes on now." if waiting else "Nothing waited."
    told = [f"{act.app}: {outcome}\n{said}", left, _now_live(act.live)]
    if unfreeze:
        told.append(f"To unfreeze:\n  {unfreeze}")
    body = {
        "twinslot": FORMAT,
        "announcement": act.id,
        "app": act.app,
        "outcome": outcome,
        "at": act.since,
        "by": by,
        "why": why,
        "waiting": waiting,
        "live": _live_json(act.live),
        "unfreeze": unfreeze,
    }
    return Announcement(
        id=act.id,
        subject=_ascii(f"twinslot {act.app} {outcome} by {by}", MAX_SUBJECT_CHARACTERS),
        text="\n\n".join(told) + "\n",
        json=json.dumps(body),
        attributes={"app": act.app, "outcome": outcome, "announcement": act.id},
    )


def warn(act: Warn) -> Announcement:
    """How hosts that are not as the table says are told."""
    told = [
        (sanitize(found.host, MAX_WORD_CHARACTERS), sanitize(found.what, MAX_DIFFERENCE_CHARACTERS))
        for found in act.differences[:MAX_DIFFERENCES]
    ]
    others = len(act.differences) - len(told)
    paragraphs = [
        f"{act.app}: hosts are not as they should be.",
        *(f"{host}: {what}" for host, what in told),
        *([f"And {others} more hosts."] if others else []),
        _now_live(act.live).replace("Live now", "What should be live"),
    ]
    body = {
        "twinslot": FORMAT,
        "announcement": act.id,
        "app": act.app,
        "outcome": DRIFT,
        "at": act.at,
        "differences": [{"host": host, "what": what} for host, what in told],
        "others": others,
        "live": _live_json(act.live),
    }
    return Announcement(
        id=act.id,
        subject=_ascii(
            f"twinslot {act.app} {DRIFT} on {', '.join(host for host, _ in told)}", MAX_SUBJECT_CHARACTERS
        ),
        text="\n\n".join(paragraphs) + "\n",
        json=json.dumps(body),
        attributes={"app": act.app, "outcome": DRIFT, "announcement": act.id},
    )


def _text(
    deployment: Deployment, outcome: Outcome, live: Live | None, previous: Live | None, rollback: str | None
) -> str:
    paragraphs = [
        [f"{deployment.app} {_name(deployment)}: {outcome.value}", _meaning(deployment, outcome)],
        _failure(deployment.failure) if deployment.failure else [],
        [_now_live(live)],
        [f"Not confirmed on: {_hosts(deployment.unconfirmed)}"]
        if deployment.unconfirmed and deployment.kind is not Kind.JOIN
        else [],
        [f"{phase}: {spent:.1f} s" for phase, spent in deployment.seconds().items()],
        [f"Deployment {deployment.id}, {_origin(deployment)}"],
        [f"To go back to {sanitize(previous.release.label, MAX_WORD_CHARACTERS)}:", f"  {rollback}"]
        if previous and rollback
        else [],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def _meaning(deployment: Deployment, outcome: Outcome) -> str:
    match outcome:
        case Outcome.LIVE if deployment.kind is Kind.JOIN:
            return f"{_hosts(deployment.hosts)} joined and serves {_name(deployment)}."
        case Outcome.LIVE:
            answered = " that answered" if deployment.unconfirmed else ""
            return f"It is live on all hosts{answered}."
        case Outcome.FAILED | Outcome.REFUSED if deployment.kind is Kind.JOIN:
            left_out = _hosts(deployment.unconfirmed)
            return (
                f"{left_out} did not join; no other host was touched. It is not tried there again until "
                "another release is live: mend what is told below, then deploy what should be live again."
            )
        case Outcome.FAILED if deployment.failure and deployment.failure.phase in BEFORE_TRAFFIC:
            return "It did not go live; users never saw it."
        case Outcome.FAILED:
            return "It failed after traffic had moved to it, and there is no release before it to go back to."
        case Outcome.REVERTED:
            return "It failed after traffic had moved to it; the release before it was made live again."
        case Outcome.REFUSED:
            return "It was refused; nothing was changed."
        case Outcome.SUPERSEDED:
            return "A newer upload or a rollback took its place before it began."
        case Outcome.CANCELLED:
            return "A rollback ended it."


def _failure(failure: Failure) -> list[str]:
    host = f" on {sanitize(failure.host, MAX_WORD_CHARACTERS)}" if failure.host else ""
    lines = [f"Why ({failure.phase.value}{host}): {sanitize(failure.reason, MAX_REASON_CHARACTERS)}"]
    if failure.log:
        lines.append("The last lines of its log:")
        lines += [f"  {line}" for line in _log(failure)]
    return lines


def _now_live(live: Live | None) -> str:
    if live is None:
        return "Live now: nothing."
    since = datetime.fromtimestamp(live.since, UTC).strftime("%Y-%m-%d %H:%M:%S")
    label = sanitize(live.release.label, MAX_WORD_CHARACTERS)
    return f"Live now: {label} (deployment {live.deployment}, since {since} UTC)"


def _origin(deployment: Deployment) -> str:
    by = sanitize(deployment.by, MAX_WORD_CHARACTERS)
    if deployment.kind is Kind.ROLLBACK:
        return f"a rollback that {by} asked for."
    if deployment.kind is Kind.JOIN:
        return f"a join of {_hosts(deployment.hosts)}, which held no release."
    release = deployment.release
    if release is None:
        return f"an upload of {sanitize(deployment.order.key, MAX_KEY_CHARACTERS)} by {by}."
    key = sanitize(f"s3://{release.bucket}/{release.key}", MAX_KEY_CHARACTERS)
    return f"an upload of {key} (version {sanitize(release.version, MAX_WORD_CHARACTERS)}) by {by}."


def _json(
    deployment: Deployment, outcome: Outcome, live: Live | None, previous: Live | None, rollback: str | None
) -> str:
    failure = deployment.failure
    return json.dumps(
        {
            **_json_head(deployment, outcome.value),
            "announcement": deployment.id,
            "at": deployment.timeline[-1].at if deployment.timeline else None,
            "live": _live_json(live),
            "seconds": deployment.seconds(),
            "failure": {
                "phase": failure.phase.value,
                "host": None if failure.host is None else sanitize(failure.host, MAX_WORD_CHARACTERS),
                "reason": sanitize(failure.reason, MAX_REASON_CHARACTERS),
                "log": _log(failure),
            }
            if failure
            else None,
            "hosts": deployment.hosts,
            "unconfirmed": deployment.unconfirmed,
            "rollback": rollback,
            "previous": _live_json(previous),
        }
    )


def _json_head(deployment: Deployment, outcome: str) -> dict[str, object]:
    """What a deployment's start and its end are told with alike."""
    release = deployment.release
    return {
        "twinslot": FORMAT,
        "deployment": deployment.id,
        "app": deployment.app,
        "kind": deployment.kind.value,
        "by": sanitize(deployment.by, MAX_WORD_CHARACTERS),
        "outcome": outcome,
        "key": sanitize(deployment.order.key, MAX_KEY_CHARACTERS),
        "release": asdict(release) if release else None,
    }


def _live_json(live: Live | None) -> dict[str, object] | None:
    if live is None:
        return None
    return {"label": live.release.label, "deployment": live.deployment, "since": live.since}


def _invoke(function: str, payload: Mapping[str, object]) -> str:
    """The command that calls a function of ours and shows its answer."""
    packed = json.dumps(payload, separators=(",", ":"))
    words = ["--function-name", function, "--cli-binary-format", "raw-in-base64-out", "--payload", packed]
    return f"aws lambda invoke {shlex.join(words)} /dev/stdout"


def _name(deployment: Deployment) -> str:
    """What people call it: the release's label, else the key of an upload that was refused."""
    if deployment.release:
        return sanitize(deployment.release.label, MAX_WORD_CHARACTERS)
    return sanitize(deployment.order.key, MAX_WORD_CHARACTERS)


def _hosts(hosts: tuple[str, ...]) -> str:
    return ", ".join(sanitize(host, MAX_WORD_CHARACTERS) for host in hosts)


def _log(failure: Failure) -> list[str]:
    return [sanitize(line, MAX_LINE_CHARACTERS) for line in failure.log[-MAX_LINES:]]


def _ascii(text: str, limit: int) -> str:
    shown = sanitize(text, len(text)).encode("ascii", "replace").decode()
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
