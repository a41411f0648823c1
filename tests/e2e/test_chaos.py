"""The short form of `make chaos`: one fault of each kind on one host, judged as in the long form."""

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
def target(sandbox: Sandbox) -> Iterator[HostUnderTest]:
    target = HostUnderTest(sandbox, Calls(sandbox))
    yield target
    target.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", SHORT, ids=[fault.name for fault in SHORT])
def test_the_fault_passes(fault: Fault, target: HostUnderTest) -> None:
    row = judgement.run(fault, target)
    assert row.why == []
    assert row.passed


@pytest.mark.timeout(60)
def test_the_long_form_lists_its_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert len(names) == len(set(names))
    assert {fault.name for fault in SHORT[1:]} < set(names)
