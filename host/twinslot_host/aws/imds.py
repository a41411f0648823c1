"""The instance metadata service, version 2: the role's credentials and the region."""

from __future__ import annotations

import http.client
import json
import os
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from twinslot_host.system.errors import StepFailed, Transient

ROLE = "/latest/meta-data/iam/security-credentials/"


class Credentials(NamedTuple):
    """The temporary credentials of the host's role."""

    access_key: str
    secret_key: str
    token: str


class Instance(NamedTuple):
    """This host's identity in AWS."""

    region: str
    role: str
    credentials: Credentials


def metadata(path: str, token: str = "") -> str:
    """Return an answer of the service; without a token, a new token. Raises Transient or StepFailed."""
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
        raise Transient(f"the instance metadata service did not answer {path}: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise StepFailed(
            f"the instance metadata service answered {response.status} to {path}: does this host have a role?"
        )
    return text


def read_instance() -> Instance:
    """Return this host's region and its role's credentials. Raises Transient without an answer."""
    token = metadata("/latest/api/token")
    named = (os.environ.get(name) for name in ("AWS_SSM_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"))
    region = next(filter(None, named), "") or metadata("/latest/meta-data/placement/region", token)
    role = metadata(ROLE, token).split("\n")[0].strip()
    value = json.loads(metadata(ROLE + quote(role), token))
    keys = Credentials(value["AccessKeyId"], value["SecretAccessKey"], value["Token"])
    return Instance(region, role, keys)


def endpoint_of(service: str, region: str) -> str:
    """Return the URL of a regional service, or the one that the environment sets instead."""
    suffix = ".cn" if region.startswith("cn-") else ""
    return (
        os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://{service}.{region}.amazonaws.com{suffix}"
    )


def connect(url: str, timeout: float) -> http.client.HTTPConnection:
    """Return a connection to the server of a URL. `timeout` is in seconds."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout)
