"""Checks signature version 4 as AWS does, so that a client that signs wrongly fails here and not only on AWS.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

CHUNKED_PAYLOADS = ("UNSIGNED-PAYLOAD", "STREAMING-")
"""Prefixes of x-amz-content-sha256 that are not a digest; S3 accepts them."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class BadSignature(Exception):
    """The request is not signed correctly; the text names the difference."""


@dataclass(frozen=True)
class Authorization:
    """The parts of an Authorization header."""

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


def parse(header: str) -> Authorization:
    """Parse the header. Raises BadSignature unless it is a valid AWS4-HMAC-SHA256 header."""
    match = _AUTHORIZATION.fullmatch(header)
    if not match:
        raise BadSignature("the Authorization header is not a valid AWS4-HMAC-SHA256 header")
    headers = tuple(match["headers"].split(";"))
    return Authorization(
        match["key"], match["date"], match["region"], match["service"], headers, match["signature"]
    )


def check(
    authorization: Authorization,
    secret: str,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    """Raise BadSignature unless the request was signed with the secret.

    `target` is the raw path and query; header names are in lower case.
    """
    digest = headers.get("x-amz-content-sha256")
    if digest is None:
        digest = hashlib.sha256(body).hexdigest()
    elif not digest.startswith(CHUNKED_PAYLOADS) and digest != hashlib.sha256(body).hexdigest():
        raise BadSignature("x-amz-content-sha256 is not the digest of the body")
    for required in ("host", *(name for name in headers if name.startswith("x-amz-"))):
        if required not in authorization.headers:
            raise BadSignature(f"the header {required} is not signed")
    path, _, query = target.partition("?")
    canonical_path = path if authorization.service == "s3" else quote(path, safe="/-_.~")
    lines = [
        method,
        canonical_path,
        _canonical_query(query),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in authorization.headers),
        "",
        ";".join(authorization.headers),
        digest,
    ]
    canonical = "\n".join(lines)
    scope = f"{authorization.date}/{authorization.region}/{authorization.service}/aws4_request"
    to_sign = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            headers.get("x-amz-date", ""),
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = ("AWS4" + secret).encode()
    for part in (authorization.date, authorization.region, authorization.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), authorization.signature):
        raise BadSignature("the request signature does not match; the canonical request is:\n" + canonical)


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")
