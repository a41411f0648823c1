"""Two hosts of one application: what fails on one of them must not be seen on the other."""

import pytest

from lab.sandbox.sandbox import Host, Sandbox
from lab.sandbox.services.lambda_functions import Invocation
from tests.e2e.conftest import Jar
from tests.e2e.deployments import Deployer, given
from tests.e2e.visitors import Visitors, page
from tests.waiting import wait_until

DROP_IN = "/etc/systemd/system/twinslot-shop@.service.d/fault.conf"


@pytest.fixture(scope="module")
def hosts(sandbox: Sandbox, shop: str, deployer: Deployer, jar: Jar) -> list[Host]:
    """Both hosts, on which 1.0.0 was live first."""
    hosts = sandbox.add_hosts([shop, shop])
    told = deployer.deploy(jar("1.0.0"))
    assert told.data["outcome"] == "LIVE", told.text
    return hosts


def test_an_upload_goes_live_on_both_by_the_same_number_of_invocations(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, hosts: list[Host]
) -> None:
    told = deployer.deploy(jar("1.1.0"))

    assert told.data["outcome"] == "LIVE", told.text
    assert sorted(told.data["hosts"]) == sorted(host.instance_id for host in hosts)
    for host in hosts:
        assert "1.1.0" in page(host.address)
    version = told.data["release"]["version"].encode()
    assert sum(version in each.payload and "deploy" in each.function for each in sandbox.invocations) == 1
    # The last one is over only after the announcement that it made: two deployments of three commands each.
    wait_until(lambda: len(_command_events(sandbox)) == 2 * 3)


def test_one_host_that_fails_to_stage_keeps_the_release_from_both(
    deployer: Deployer, jar: Jar, hosts: list[Host]
) -> None:
    with _Faulty(hosts[1], "dies-at-start"), Visitors(*(host.address for host in hosts)) as visitors:
        told = deployer.deploy(jar("2.0.0"))

    assert told.data["outcome"] == "FAILED", told.text
    assert told.data["failure"]["host"] == hosts[1].instance_id, told.text
    assert set(visitors.statuses) == {200}
    assert not any("2.0.0" in body for _, _, body in visitors.answers)


def test_one_host_that_misbehaves_while_it_bakes_sends_both_back(
    deployer: Deployer, jar: Jar, hosts: list[Host]
) -> None:
    before = [page(host.address) for host in hosts]

    with _Faulty(hosts[1], "errors-after=live+0"), Visitors(*(host.address for host in hosts)) as visitors:
        told = deployer.deploy(jar("3.0.0"))

    assert told.data["outcome"] == "REVERTED", told.text
    assert told.data["failure"]["host"] == hosts[1].instance_id, told.text
    assert told.data["unconfirmed"] == []
    assert [page(host.address) for host in hosts] == before
    assert any("3.0.0" in body for body in visitors.seen_on(hosts[0].address)), "the sound host had it live"
    assert {status for address, status, _ in visitors.answers if address == hosts[0].address} == {200}


def _command_events(sandbox: Sandbox) -> list[Invocation]:
    """The invocations that the end of a deployment's command made."""
    ids = [command.id.encode() for command in given(sandbox)]
    return [
        each
        for each in sandbox.invocations
        if b"Command Status-change" in each.payload and any(id in each.payload for id in ids)
    ]


class _Faulty:
    """While this context lasts, whatever the host's slots start has this fault."""

    def __init__(self, host: Host, fault: str) -> None:
        self._host = host
        self._fault = fault

    def __enter__(self) -> None:
        self._host.machine.write(DROP_IN, f"[Service]\nEnvironment=SAMPLE_FAULTS={self._fault}\n")
        self._reload()

    def __exit__(self, *_: object) -> None:
        self._host.machine.run(["rm", DROP_IN], timeout_seconds=10)
        self._reload()

    def _reload(self) -> None:
        done = self._host.machine.run(["systemctl", "daemon-reload"], timeout_seconds=30)
        assert done.returncode == 0, done.stderr
