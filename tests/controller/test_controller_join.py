"""New hosts join what is live."""

import pytest
from twinslot.domain.model import HostReport, HostResult, Kind, SlotReport
from twinslot.errors import CommandRefused, NothingToRollBackTo, TryAgain

from tests.controller.controller_fixture import ControllerFixture


def empty(host: str) -> HostResult:
    """What a host without a release says."""
    slots = {name: SlotReport(None, None, "inactive", False, 0) for name in ("blue", "green")}
    said = HostReport(host, "shop", "report", "report", "", 0, True, "", (), None, False, slots, None, {})
    return HostResult(host, True, report=said)


def appears(fixture: ControllerFixture, host: str) -> None:
    """A host that was provisioned is asked for its report, and holds nothing."""
    fixture.fleet.apps[host] = "shop"
    fixture.fleet.online += (host,)
    fixture.controller.host_ready(host)
    assert fixture.fleet.requested[-1] == ("shop", (host,))
    fixture.fleet.reported = (empty(host),)
    fixture.controller.hosts_reported("shop", "report-of-shop")


def test_a_new_host_joins_what_is_live(fixture: ControllerFixture) -> None:
    first = fixture.deploy("1.0.0")
    appears(fixture, "i-0c")
    current = fixture.application().current
    assert current and (current.kind, current.hosts) == (Kind.JOIN, ("i-0c",))
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    assert [sent[:2] for sent in fixture.fleet.sent[-3:]] == [
        (current.id, step) for step in ("stage", "flip", "bake")
    ]
    live = fixture.application().live
    assert live and live.deployment == first
    assert fixture.told()[2:] == [(f"{current.id}/started", "STARTED"), (current.id, "LIVE")]
    with pytest.raises(NothingToRollBackTo):
        fixture.controller.rollback("shop", current.id, "ann", "request-1")


def test_a_host_whose_event_was_lost_joins_after_the_next_report(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.fleet.online += ("i-0c",)
    fixture.controller.request_reports()
    fixture.fleet.reported = (empty("i-0c"),)
    fixture.controller.hosts_reported("shop", "report-of-shop")
    current = fixture.application().current
    assert current and current.hosts == ("i-0c",)


def test_a_new_host_during_a_deployment_joins_after_it(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.upload("1.1.0")
    appears(fixture, "i-0c")
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    current = fixture.application().current
    assert current and current.release and (current.kind, current.release.label) == (Kind.JOIN, "1.1.0")


@pytest.mark.parametrize("app", [None, "billing"])
def test_no_report_is_requested_of_an_instance_of_no_app_or_of_one_without_a_live_release(
    fixture: ControllerFixture, app: str | None
) -> None:
    if app:
        fixture.fleet.apps["i-0c"] = app
    fixture.controller.host_ready("i-0c")
    assert fixture.fleet.requested == []


def test_a_new_host_that_ssm_does_not_take_a_command_for_is_left_to_the_next_request(
    fixture: ControllerFixture,
) -> None:
    fixture.deploy("1.0.0")
    fixture.fleet.apps["i-0c"] = "shop"
    fixture.fleet.trouble = CommandRefused("InvalidInstanceId")
    fixture.controller.host_ready("i-0c")
    assert fixture.application().current is None
    fixture.fleet.trouble = TryAgain("throttled")
    with pytest.raises(TryAgain):
        fixture.controller.host_ready("i-0c")
