"""A host finds its metadata and its commands, and only its own."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from lab.sandbox.api.principals import Principal
from lab.sandbox.services.imds import HostServices, Identity
from lab.sandbox.services.run_command import RunCommand

LIFETIME = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


def _ask(
    services: HostServices, method: str, path: str, headers: dict[str, str] | None = None, body: object = None
) -> tuple[int, str]:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(services.endpoint + path, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def services() -> Iterator[HostServices]:
    services = HostServices("127.0.0.1", RunCommand(lambda change: None, lambda instance: None, 0.0, 60.0))
    yield services
    services.close()


@pytest.fixture
def host(services: HostServices) -> Identity:
    """The host that lives at the tests' own address."""
    credentials = Principal("arn:aws:sts::1:assumed-role/r/i-1", "AKIA", "secret", "token", {}, ())
    identity = Identity("i-1", "127.0.0.1", "host-role", credentials)
    services.add(identity)
    services.run_command.register("i-1", "127.0.0.1", "i-1")
    return identity


def test_a_host_reads_its_role_and_region_with_a_token(services: HostServices, host: Identity) -> None:
    status, token = _ask(services, "PUT", "/latest/api/token", LIFETIME)
    bearing = {"X-aws-ec2-metadata-token": token}

    def read(path: str) -> str:
        return _ask(services, "GET", f"/latest/{path}", bearing)[1]

    assert status == 200
    assert read("meta-data/instance-id") == "i-1"
    assert read("meta-data/placement/region") == "eu-central-1"
    assert read("meta-data/iam/security-credentials/") == "host-role"
    credentials = json.loads(read("meta-data/iam/security-credentials/host-role"))
    assert (credentials["AccessKeyId"], credentials["Token"]) == ("AKIA", "token")


def test_without_a_token_nothing_is_told(services: HostServices, host: Identity) -> None:
    assert _ask(services, "GET", "/latest/meta-data/instance-id") == (401, "")
    assert _ask(services, "GET", "/latest/meta-data/instance-id", {"X-aws-ec2-metadata-token": "x"})[0] == 401
    assert _ask(services, "PUT", "/latest/api/token")[0] == 400


def test_an_address_that_is_no_hosts_gets_nothing(services: HostServices) -> None:
    assert _ask(services, "PUT", "/latest/api/token", LIFETIME)[0] == 404
    assert _ask(services, "POST", "/agent/poll", body={"seconds": 0, "platform": {}})[0] == 404


def test_an_agent_that_asks_is_known(services: HostServices, host: Identity) -> None:
    body = {"seconds": 0, "platform": {"AgentVersion": "3.3"}}

    assert _ask(services, "POST", "/agent/poll", body=body) == (200, '{"run": [], "cancel": []}')
    assert services.run_command.agents()["i-1"].platform == {"AgentVersion": "3.3"}
