"""One exact version of an object, read from S3 with the credentials of the host's role."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import re
import time
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from twinslot_host.request import Release
from twinslot_host.trouble import Trouble


class Credentials(NamedTuple):
    """What the host's role gave it."""

    access_key: str
    secret_key: str
    token: str


def metadata(path: str, token: str = "") -> str:
    """An answer of the instance metadata service, version 2. Without a token it fetches one."""
    endpoint = urlsplit(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254")
    connection = http.client.HTTPConnection(endpoint.hostname or "", endpoint.port or 80, timeout=3)
    method, headers = "GET", {"X-aws-ec2-metadata-token": token}
    if not token:
        method, headers = "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        text = response.read(65536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unsteady(f"the instance metadata service did not answer {path}: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Trouble(
            f"the instance metadata service answered {response.status} to {path}: has this host a role?"
        )
    return text


def read_credentials(token: str) -> Credentials:
    """The credentials of the host's role."""
    folder = "/latest/meta-data/iam/security-credentials/"
    role = metadata(folder, token).split("\n")[0].strip()
    value = json.loads(metadata(folder + quote(role), token))
    return Credentials(value["AccessKeyId"], value["SecretAccessKey"], value["Token"])


def sign(
    host: str, path: str, query: str, region: str, credentials: Credentials, at: time.struct_time
) -> dict[str, str]:
    """The headers of a signed GET to S3 (AWS Signature Version 4). `path` and `query` come encoded."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", at)
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    headers = {
        "host": host,
        "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-amz-date": stamp,
        "x-amz-security-token": credentials.token,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"GET\n{path}\n{query}\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("AWS4" + credentials.secret_key).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return headers


class Unsteady(Exception):
    """S3 failed in a way that the next try may not."""


def open_object(release: Release) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Begins to read exactly this version from S3."""
    environment = os.environ.get
    token = metadata("/latest/api/token")
    region = (
        environment("AWS_SSM_REGION_NAME")
        or environment("AWS_REGION")
        or environment("AWS_DEFAULT_REGION")
        or metadata("/latest/meta-data/placement/region", token)
    )
    suffix = ".cn" if region.startswith("cn-") else ""
    endpoint = urlsplit(
        environment("AWS_ENDPOINT_URL_S3")
        or environment("AWS_ENDPOINT_URL")
        or f"https://s3.{region}.amazonaws.com{suffix}"
    )
    kind = http.client.HTTPSConnection if endpoint.scheme == "https" else http.client.HTTPConnection
    connection = kind(endpoint.hostname or "", endpoint.port, timeout=20)
    path = "/" + quote(f"{release.bucket}/{release.key}", safe="/-_.~")
    query = "versionId=" + quote(release.version, safe="-_.~")
    headers = sign(endpoint.netloc, path, query, region, read_credentials(token), time.gmtime())
    try:
        connection.request("GET", f"{path}?{query}", headers=headers)
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Unsteady(f"S3 at {endpoint.netloc} did not answer: {error}") from error
    if response.status == 200:
        return connection, response
    body = response.read(4096).decode("utf-8", "replace")
    connection.close()
    code = (re.findall("<Code>([A-Za-z0-9]+)</Code>", body) or ["no code"])[0]
    where = f"s3://{release.bucket}/{release.key} version {release.version}"
    if response.status == 429 or response.status >= 500:
        raise Unsteady(f"S3 answered {response.status} {code} for {where}")
    advice = {403: "grant this host's role s3:GetObjectVersion", 404: "it is gone: upload the jar again"}
    raise Trouble(
        f"S3 answered {response.status} {code} for {where}: {advice.get(response.status, 'see the code')}"
    )
