"""AWS Signature Version 4: many images have neither the AWS CLI nor botocore."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from twinslot_host.aws.imds import Instance

UNSIGNED = ("range",)  # headers that are sent unsigned


def sign(
    service: str,
    instance: Instance,
    at: time.struct_time,
    url: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers of a request that is signed at this time (UTC): a GET, or a POST when it has a body.

    The path and the query of `url` must be encoded, and the names in `headers` in lower case.
    """
    parts = urlsplit(url)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", at)
    scope = f"{stamp[:8]}/{instance.region}/{service}/aws4_request"
    digest = hashlib.sha256(body).hexdigest()
    given = {
        **(headers or {}),
        "host": parts.netloc,
        "x-amz-content-sha256": digest,
        "x-amz-date": stamp,
        "x-amz-security-token": instance.credentials.token,
    }
    signed = sorted(name for name in given if name not in UNSIGNED)
    names = ";".join(signed)
    lines = "".join(f"{name}:{given[name]}\n" for name in signed)
    method = "POST" if body else "GET"
    request = f"{method}\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{digest}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("AWS4" + instance.credentials.secret_key).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    given["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={instance.credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return given
