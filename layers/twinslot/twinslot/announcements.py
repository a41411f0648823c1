"""How a deployment's outcome is told: text for people, JSON for programs, attributes to filter on.

One SNS message serves all: with `MessageStructure: json` an email subscription gets the text, an HTTPS one
what Amazon Q reads (chat.py), and every other protocol (Lambda, SQS, …) the `default`, which is this JSON,
stable, fields only ever added:

    {"twinslot": 1,                     the version of this shape
     "announcement": "01J…",            the deployment's id: a message that bears it again is a repeat
     "deployment": "01J…", "app": "shop", "kind": "upload" | "rollback", "by": "…",
     "outcome": "LIVE" | "FAILED" | "REVERTED" | "REFUSED" | "SUPERSEDED" | "CANCELLED",
     "at": 1790000000.0,                when it ended, in seconds since the epoch
     "key": "shop/shop-1.4.2.jar",      what was uploaded; "" for a rollback
     "release": {"label", "bucket", "key", "version", "size", "sha256"} | null,
     "live": {"label", "deployment", "since"} | null,    what traffic goes to now
     "seconds": {"staging": 4.2, …},    spent in each phase, in order
     "failure": {"phase", "host", "reason", "log": []} | null,
     "hosts": ["i-…"],                  that were commanded
     "unconfirmed": ["i-…"],            of which nobody knows what they run
     "rollback": "aws lambda invoke …" | null}

Hosts that are not as the table says are told with the outcome DRIFT:

    {"twinslot": 1, "announcement": "shop/drift-…", "app": "shop", "outcome": "DRIFT", "at": 1790000000.0,
     "differences": [{"host": "i-…", "what": "users get …"}], "live": {…} | null}
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twinslot import aws
from twinslot.chat import custom_notification
from twinslot.errors import GiveUp
from twinslot.model import Announce, Deployment, Failure, Kind, Live, Outcome, Phase, Warn
from twinslot.printable import printable

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

FORMAT = 1
DRIFT = "DRIFT"
LONGEST_SUBJECT = 99
"""SNS takes less than 100 characters of ASCII and no control character."""

LONGEST_WORD = 100
LONGEST_KEY = 255
LONGEST_REASON = 1000
LONGEST_LINE = 500
MOST_LINES = 50
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
    """Publishes on one SNS topic. `rollback_function` is the name that the rollback command calls."""

    def __init__(self, topic: str, rollback_function: str, sns: SNSClient) -> None:
        self._topic = topic
        self._rollback_function = rollback_function
        self._sns = sns

    def publish(self, act: Announce | Warn) -> None:
        """Tell it. Raises TryAgain, or GiveUp when SNS will never take it."""
        announcement = warn(act) if isinstance(act, Warn) else compose(act, self._rollback_function)
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
        with aws.calling(f"announcing {act.id}", GiveUp):
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
    rollback = _rollback_command(deployment.app, rollback_function) if previous else None
    subject = f"twinslot {deployment.app} {_name(deployment)} {outcome.value}"
    return Announcement(
        id=deployment.id,
        subject=_ascii(subject, LONGEST_SUBJECT),
        text=_text(deployment, outcome, live, previous, rollback),
        json=_json(deployment, outcome, live, rollback),
        attributes={"app": deployment.app, "outcome": outcome.value, "announcement": deployment.id},
    )


def warn(act: Warn) -> Announcement:
    """How hosts that are not as the table says are told."""
    told = [
        (printable(found.host, LONGEST_WORD), printable(found.what, LONGEST_REASON))
        for found in act.differences
    ]
    paragraphs = [
        f"{act.app}: hosts are not as they should be.",
        *(f"{host}: {what}" for host, what in told),
        _now_live(act.live).replace("Live now", "What should be live"),
    ]
    body = {
        "twinslot": FORMAT,
        "announcement": act.id,
        "app": act.app,
        "outcome": DRIFT,
        "at": act.at,
        "differences": [{"host": host, "what": what} for host, what in told],
        "live": _live_json(act.live),
    }
    return Announcement(
        id=act.id,
        subject=_ascii(
            f"twinslot {act.app} {DRIFT} on {', '.join(host for host, _ in told)}", LONGEST_SUBJECT
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
        [f"Not confirmed on: {', '.join(printable(host, LONGEST_WORD) for host in deployment.unconfirmed)}"]
        if deployment.unconfirmed
        else [],
        [f"{phase}: {spent:.1f} s" for phase, spent in deployment.seconds().items()],
        [f"Deployment {deployment.id}, {_origin(deployment)}"],
        [f"To go back to {printable(previous.release.label, LONGEST_WORD)}:", f"  {rollback}"]
        if previous and rollback
        else [],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def _meaning(deployment: Deployment, outcome: Outcome) -> str:
    match outcome:
        case Outcome.LIVE:
            answered = " that answered" if deployment.unconfirmed else ""
            return f"It is live on all hosts{answered}."
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
    host = f" on {printable(failure.host, LONGEST_WORD)}" if failure.host else ""
    lines = [f"Why ({failure.phase.value}{host}): {printable(failure.reason, LONGEST_REASON)}"]
    if failure.log:
        lines.append("The last lines of its log:")
        lines += [f"  {line}" for line in _log(failure)]
    return lines


def _now_live(live: Live | None) -> str:
    if live is None:
        return "Live now: nothing."
    since = datetime.fromtimestamp(live.since, UTC).strftime("%Y-%m-%d %H:%M:%S")
    label = printable(live.release.label, LONGEST_WORD)
    return f"Live now: {label} (deployment {live.deployment}, since {since} UTC)"


def _origin(deployment: Deployment) -> str:
    by = printable(deployment.by, LONGEST_WORD)
    if deployment.kind is Kind.ROLLBACK:
        return f"a rollback that {by} asked for."
    release = deployment.release
    if release is None:
        return f"an upload of {printable(deployment.order.key, LONGEST_KEY)} by {by}."
    key = printable(f"s3://{release.bucket}/{release.key}", LONGEST_KEY)
    return f"an upload of {key} (version {printable(release.version, LONGEST_WORD)}) by {by}."


def _json(deployment: Deployment, outcome: Outcome, live: Live | None, rollback: str | None) -> str:
    release, failure = deployment.release, deployment.failure
    return json.dumps(
        {
            "twinslot": FORMAT,
            "announcement": deployment.id,
            "deployment": deployment.id,
            "app": deployment.app,
            "kind": deployment.kind.value,
            "by": printable(deployment.by, LONGEST_WORD),
            "outcome": outcome.value,
            "at": deployment.timeline[-1].at if deployment.timeline else None,
            "key": printable(deployment.order.key, LONGEST_KEY),
            "release": asdict(release) if release else None,
            "live": _live_json(live),
            "seconds": deployment.seconds(),
            "failure": {
                "phase": failure.phase.value,
                "host": None if failure.host is None else printable(failure.host, LONGEST_WORD),
                "reason": printable(failure.reason, LONGEST_REASON),
                "log": _log(failure),
            }
            if failure
            else None,
            "hosts": deployment.hosts,
            "unconfirmed": deployment.unconfirmed,
            "rollback": rollback,
        }
    )


def _live_json(live: Live | None) -> dict[str, object] | None:
    if live is None:
        return None
    return {"label": live.release.label, "deployment": live.deployment, "since": live.since}


def _rollback_command(app: str, function: str) -> str:
    payload = json.dumps({"app": app}, separators=(",", ":"))
    words = ["--function-name", function, "--cli-binary-format", "raw-in-base64-out", "--payload", payload]
    return f"aws lambda invoke {shlex.join(words)} /dev/stdout"


def _name(deployment: Deployment) -> str:
    """What people call it: the release's label, else the key of an upload that was refused."""
    if deployment.release:
        return printable(deployment.release.label, LONGEST_WORD)
    return printable(deployment.order.key, LONGEST_WORD)


def _log(failure: Failure) -> list[str]:
    return [printable(line, LONGEST_LINE) for line in failure.log[-MOST_LINES:]]


def _ascii(text: str, limit: int) -> str:
    shown = printable(text, len(text)).encode("ascii", "replace").decode()
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
