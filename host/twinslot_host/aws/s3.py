"""One exact version of an object, read from S3 with the credentials of the host's role."""

from __future__ import annotations

import http.client
import re
import time
from urllib.parse import quote, urlsplit

from twinslot_host.aws.imds import Instance, connect, endpoint_of, read_instance
from twinslot_host.aws.sigv4 import sign
from twinslot_host.command.request import Release
from twinslot_host.system.errors import StepFailed, Transient

TIMEOUT_SECONDS = 20.0
Answered = tuple[http.client.HTTPConnection, http.client.HTTPResponse]


def ask_object(
    instance: Instance, source: list[str], timeout: float = TIMEOUT_SECONDS, **headers: str
) -> Answered:
    """Return S3's answer to a signed GET of one version: bucket, key, version id.

    Raises Transient without an answer. The caller closes the connection.
    """
    bucket, key, version = source
    path = "/" + quote(f"{bucket}/{key}", safe="/-_.~") + "?versionId=" + quote(version, safe="-_.~")
    url = endpoint_of("s3", instance.region).rstrip("/") + path
    connection = connect(url, timeout)
    try:
        connection.request("GET", path, headers=sign("s3", instance, time.gmtime(), url, headers=headers))
        return connection, connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Transient(f"S3 at {urlsplit(url).netloc} did not answer: {error}") from error


def refusal(response: http.client.HTTPResponse) -> str:
    """Return the error code in S3's answer."""
    body = response.read(4096).decode("utf-8", "replace")
    found: list[str] = re.findall("<Code>([A-Za-z0-9]+)</Code>", body)
    return found[0] if found else "no code"


def open_object(release: Release) -> Answered:
    """Start to read exactly this version from S3. Raises Transient or StepFailed."""
    connection, response = ask_object(read_instance(), release.source)
    if response.status == 200:
        return connection, response
    code = refusal(response)
    connection.close()
    where = f"s3://{release.bucket}/{release.key} version {release.version}"
    if response.status == 429 or response.status >= 500:
        raise Transient(f"S3 answered {response.status} {code} for {where}")
    advice = {403: "grant this host's role s3:GetObjectVersion", 404: "it was deleted: upload the jar again"}
    raise StepFailed(
        f"S3 answered {response.status} {code} for {where}: {advice.get(response.status, 'see the code')}"
    )
