"""The host that doctor looks at. Nothing is changed and nothing is waited for."""

from __future__ import annotations

import calendar
import functools
import http.client
import time
from email.utils import parsedate
from typing import NamedTuple

from twinslot_host.aws.imds import read_instance
from twinslot_host.aws.s3 import ask_object, refusal
from twinslot_host.command.request import Request
from twinslot_host.nginx.control import live_slot
from twinslot_host.slot.state import read_content
from twinslot_host.system.errors import StepFailed, Transient
from twinslot_host.system.paths import Paths

ASK_SECONDS = 5.0


class S3Answer(NamedTuple):
    """S3's answer to a request for one byte of the live release.

    `status` is 0 without an answer, and `failure` is the reason; `what` is empty when nothing is live;
    `role` is empty without credentials. `skew` is how many seconds this host's clock is ahead of S3's,
    None: unknown.
    """

    role: str
    status: int
    code: str
    what: str
    failure: str
    skew: float | None


class Host:
    """This host and the app that doctor was asked about."""

    def __init__(self, request: Request, host_id: str) -> None:
        self.request = request
        self.id = host_id
        self.app = request.app
        self.paths = Paths(request.app)

    @functools.cached_property
    def s3_answer(self) -> S3Answer:
        """Ask S3, once, for the first byte of the live release, by the request that stage makes."""
        slot = live_slot(self.paths)
        content = read_content(self.paths, slot) if slot else None
        role = ""
        try:
            instance = read_instance()
            role = instance.role
            source = content.source if content else ["twinslot", "nothing", "none"]
            connection, response = ask_object(instance, source, ASK_SECONDS, range="bytes=0-0")
            try:
                code = refusal(response) if response.status >= 300 else ""
            finally:
                connection.close()
        except (StepFailed, Transient, OSError, ValueError, KeyError, http.client.HTTPException) as error:
            return S3Answer(role, 0, "", "", str(error), None)
        date = parsedate(response.headers.get("Date", ""))
        skew = time.time() - calendar.timegm(date) if date else None
        what = f"s3://{content.source[0]}/{content.source[1]}" if content else ""
        return S3Answer(role, response.status, code, what, "", skew)
