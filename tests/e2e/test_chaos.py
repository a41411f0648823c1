"""The short form of `make chaos`: one fault of each sort on one host, judged as the long form judges them."""

from collections.abc import Iterator

import pytest

from lab.chaos import judgement
from lab.chaos.__main__ import main
from lab.chaos.calls import Calls
from lab.chaos.fault import Fault
from lab.chaos.fault_injector import Place
from lab.chaos.faults import GROUPS, cuts
from lab.chaos.host_under_test import HostUnderTest
from lab.sandbox.sandbox import Sandbox

CUT = cuts.cut(Place("flip", "did", "pointed nginx to SLOT"), "", "killed/flip/pointed-nginx-to-SLOT")
KNOWN = {fault.name: fault for group in GROUPS for fault in group.faults}
SHORT = [
    CUT,
    *(
        KNOWN[name]
        for name in (
            "flag/moved-by-hand",
            "live/killed-with-the-old-one-warm",
            "nginx/killed",
            "s3/overwritten-before-the-download",
            "jar/dies-in-its-bake",
            "agent/gone-for-a-while-while-staging",
            "host/rebooted-while-flipping",
        )
    ),
]


@pytest.fixture(scope="module")
def station(sandbox: Sandbox) -> Iterator[HostUnderTest]:
    station = HostUnderTest(sandbox, Calls(sandbox))
    yield station
    station.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", SHORT, ids=[fault.name for fault in SHORT])
def test_it_is_held(fault: Fault, station: HostUnderTest) -> None:
    row = judgement.run(fault, station)
    assert row.why == []
    assert row.passed


@pytest.mark.timeout(60)
def test_the_long_form_tells_what_it_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == len(set(told))
    assert {fault.name for fault in SHORT[1:]} < set(told)
