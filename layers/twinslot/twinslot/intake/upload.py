"""Reads an S3 "Object Created" event: which app, which object, and the id of its deployment.

A key is accepted only as `<app>/<path>.jar` in a small set of characters, because it is passed on to hosts,
messages and logs. Another key that ends in `.jar` was meant for twinslot, so its refusal is announced; one
that does not end in `.jar` is ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from twinslot.domain.deployment_id import deployment_id
from twinslot.domain.model import NO_APP, UploadOrder
from twinslot.errors import BadEvent
from twinslot.intake.sanitize import quoted, sanitize

APP = re.compile(r"[a-z][a-z0-9-]{0,29}")
SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")
VERSION = re.compile(r"[A-Za-z0-9._-]{1,1024}")
SEQUENCER = re.compile(r"[0-9A-Fa-f]{1,64}")
ACCOUNT = re.compile(r"[0-9]{12}")
SUFFIX = ".jar"
MAX_KEY_CHARACTERS = 255
MAX_BY_CHARACTERS = 100


@dataclass(frozen=True)
class Upload:
    """One uploaded object. `problem` is why its key is refused, "" when it is accepted; the key of a refused
    upload is made printable, and its `app` is NO_APP where the key names none."""

    app: str
    bucket: str
    key: str
    version: str
    size: int
    order: UploadOrder
    id: str
    by: str
    problem: str = ""


def parse(event: Mapping[str, object], default_app: str) -> Upload | None:
    """Return the upload of an event; None for a key that does not end in `.jar`.

    `default_app` owns the keys at the bucket's root ("": no app does). Raises BadEvent for a field that is
    missing or of the wrong type. Shape: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    if not isinstance(event, Mapping):
        raise BadEvent("the S3 event is not a JSON object")
    detail = _fields(event, "detail")
    bucket = _text(_fields(detail, "bucket"), "bucket.name", "name")
    if not BUCKET.fullmatch(bucket):
        raise BadEvent(f"bucket.name of the S3 event is {quoted(bucket)}, not the name of a bucket")
    thing = _fields(detail, "object")
    key = _text(thing, "object.key", "key")
    if not key.endswith(SUFFIX):
        return None
    version = _text(thing, "object.version-id", "version-id", "; is versioning of the bucket on?")
    if not VERSION.fullmatch(version):
        raise BadEvent(f"object.version-id of the S3 event is {quoted(version)}, not a version id")
    sequencer = _text(thing, "object.sequencer", "sequencer")
    if not SEQUENCER.fullmatch(sequencer):
        raise BadEvent(f"object.sequencer of the S3 event is {quoted(sequencer)}, not hexadecimal")
    size = thing.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadEvent(f"object.size of the S3 event is {quoted(str(size))}, not a number of bytes")
    at = _seconds(_text(event, "time", "time"))
    by = _text(detail, "requester", "requester") if "requester" in detail else "unknown"
    if ACCOUNT.fullmatch(by):
        by = f"account {by}"
    app, problem = owner(key, default_app)
    shown = sanitize(key, MAX_KEY_CHARACTERS) if problem else key
    return Upload(
        app=app,
        bucket=bucket,
        key=shown,
        version=version,
        size=size,
        order=UploadOrder(shown, sequencer, at),
        id=deployment_id(at, bucket, key, version),
        by=sanitize(by, MAX_BY_CHARACTERS),
        problem=problem,
    )


def owner(key: str, default_app: str) -> tuple[str, str]:
    """Return the app that a key belongs to and "", or the app of its refusal and what is wrong with it."""
    name, separator, path = key.partition("/")
    if not separator:
        name, path = default_app, key
    if not APP.fullmatch(name):
        if not separator:
            advice = "upload it below <app>/, for example to shop/ for the app shop"
            return NO_APP, f"the key {quoted(key)} is at the bucket's root, which belongs to no app; {advice}"
        allowed = "a lower-case letter, then at most 29 lower-case letters, digits or hyphens"
        advice = f"upload it below <app>/; the name of an app is {allowed}"
        return NO_APP, f"the key {quoted(key)} does not begin with the name of an app; {advice}"
    advice = f"upload it again to, for example, {name}/app-1.0.jar"
    if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_CHARACTERS:
        return name, f"the key {quoted(key)} is longer than {MAX_KEY_CHARACTERS} bytes; {advice}"
    segments = path.split("/")
    if not all(SEGMENT.fullmatch(part) and part not in (".", "..") for part in segments):
        allowed = "letters A to Z and a to z, digits, dots, underscores and hyphens between slashes"
        return name, f"the key {quoted(key)} has other characters than {allowed}; {advice}"
    if segments[-1] == SUFFIX:
        return name, f"the key {quoted(key)} has no name before {SUFFIX}; {advice}"
    return name, ""


def _fields(whole: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = whole.get(name)
    if not isinstance(part, Mapping):
        raise BadEvent(f"the S3 event has no {name}, or it is not a JSON object")
    return part


def _text(part: Mapping[str, object], path: str, name: str, hint: str = "") -> str:
    text = part.get(name)
    if not isinstance(text, str) or not text:
        raise BadEvent(f"the S3 event has no {path}, or it is not a text{hint}")
    return text


def _seconds(event_time: str) -> float:
    try:
        at = datetime.fromisoformat(event_time)
    except ValueError as error:
        raise BadEvent(f"the time of the S3 event is {quoted(event_time)}, not ISO 8601") from error
    if at.tzinfo is None:
        raise BadEvent(f"the time of the S3 event is {quoted(event_time)}, without a time zone")
    return at.timestamp()
