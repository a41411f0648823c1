"""Where a host has too little memory for both slots, the kernel ends the one that no user needs."""

from collections.abc import Iterator

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import HostFixture, host_on, jar


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaab0") as host_fixture:
        yield host_fixture


def expendable(host: HostFixture) -> dict[str, int]:
    """The kernel's score of each release's process."""
    slots = host.go("report", fence=0)["slots"].values()
    return {slot["label"]: int(host.shell(f"cat /proc/{slot['pid']}/oom_score_adj")) for slot in slots}


def test_the_live_process_is_spared_and_every_other_one_is_not(host: HostFixture) -> None:
    first, second = (host.bucket.put(jar(label)) for label in ("1.0", "2.0"))
    host.make_live(first)
    deployment = host.deployment()
    host.go("stage", deployment=deployment, release=second)
    assert expendable(host) == {"1.0": 0, "2.0": 500}
    host.go("flip", deployment=deployment, release=second)
    assert expendable(host) == {"1.0": 500, "2.0": 0}
