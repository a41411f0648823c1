"""S3's event "Object Created" for EventBridge
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html)."""

import threading
import time
import uuid
from typing import Any

from lab.sandbox.stack.moto_backends import ACCOUNT


class Sequencer:
    """Hexadecimal numbers that grow with each call, as S3's do for the events of one key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return f"00{self._last:016X}"


def detail(bucket: Any, key: Any, reason: str, sequencer: str, source_ip: str) -> dict[str, Any]:
    """Return the event's detail from moto's bucket and key. The key is not URL-encoded in it."""
    described = {
        "key": key.name,
        "size": key.size,
        "etag": key.etag.strip('"'),
        "sequencer": sequencer,
    }
    if key.version_id != "null":
        described["version-id"] = key.version_id
    return {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": described,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": ACCOUNT,
        "source-ip-address": source_ip,
        "reason": reason,
    }
