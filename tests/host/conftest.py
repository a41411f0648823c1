"""Machines for the tests that need a real host: systemd, a network, files and processes of its own."""

from collections.abc import Callable, Iterator

import pytest

from lab.sandbox.hosts.machine import Machine, Rack, unavailable
from tests.host.host_fixture import HostFixture, Release, jar

Boot = Callable[..., Machine]


@pytest.fixture(scope="session")
def rack() -> Iterator[Rack]:
    """The place for machines. Without it a test is skipped, which CI counts as failed."""
    if reason := unavailable():
        pytest.skip(reason)
    with Rack() as rack:
        yield rack


@pytest.fixture(scope="session")
def machine(rack: Rack) -> Machine:
    """A bare host that a session's tests share; what one changes, the next one finds."""
    return rack.boot("i-0123456789abcdef0")


@pytest.fixture(scope="module")
def v1(host: HostFixture) -> Release:
    """In the bucket of a module's own `host`."""
    return host.bucket.put(jar("1.0"))


@pytest.fixture(scope="module")
def v2(host: HostFixture) -> Release:
    """In the bucket of a module's own `host`."""
    return host.bucket.put(jar("2.0"))


@pytest.fixture
def boot(rack: Rack) -> Iterator[Boot]:
    """Boots a bare host for one test: called like `Rack.boot`. It loses its power when the test ends."""
    machines = []

    def boot_one(*arguments: object, **options: object) -> Machine:
        machines.append(rack.boot(*arguments, **options))  # type: ignore[arg-type]
        return machines[-1]

    yield boot_one
    for machine in machines:
        machine.kill()
