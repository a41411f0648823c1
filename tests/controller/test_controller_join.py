"""New hosts join what is live."""

import pytest
from twinslot.domain.model import HostReport, HostResult, Kind, SlotReport
from twinslot.errors import CommandRefused, NothingToRollBackTo, TryAgain

from tests.controller.controller_fixture import House


def empty(host: str) -> HostResult:
    """What a host without a release says."""
    slots = {name: SlotReport(None, None, "inactive", False, 0) for name in ("blue", "green")}
    said = HostReport(host, "shop", "report", "report", "", 0, True, "", (), None, False, slots, None, {})
    return HostResult(host, True, report=said)


def appears(house: House, host: str) -> None:
    """A host that was prepared is told of, asked, and says that it holds nothing."""
    house.fleet.apps[host] = "shop"
    house.fleet.online += (host,)
    house.controller.host_ready(host)
    assert house.fleet.asked[-1] == ("shop", (host,))
    house.fleet.reported = (empty(host),)
    house.controller.hosts_reported("shop", "report-of-shop")


def test_a_new_host_joins_what_is_live(house: House) -> None:
    first = house.deploy("1.0.0")
    appears(house, "i-0c")
    current = house.application().current
    assert current and (current.kind, current.hosts) == (Kind.JOIN, ("i-0c",))
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    assert [sent[:2] for sent in house.fleet.sent[-3:]] == [
        (current.id, step) for step in ("stage", "flip", "bake")
    ]
    live = house.application().live
    assert live and live.deployment == first
    assert house.told()[2:] == [(f"{current.id}/started", "STARTED"), (current.id, "LIVE")]
    with pytest.raises(NothingToRollBackTo):
        house.controller.rollback("shop", current.id, "ann", "request-1")


def test_a_host_whose_event_was_lost_joins_by_an_inspection(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.online += ("i-0c",)
    house.controller.inspect()
    house.fleet.reported = (empty("i-0c"),)
    house.controller.hosts_reported("shop", "report-of-shop")
    current = house.application().current
    assert current and current.hosts == ("i-0c",)


def test_a_new_host_during_a_deployment_joins_after_it(house: House) -> None:
    house.deploy("1.0.0")
    house.upload("1.1.0")
    appears(house, "i-0c")
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    current = house.application().current
    assert current and current.release and (current.kind, current.release.label) == (Kind.JOIN, "1.1.0")


@pytest.mark.parametrize("app", [None, "billing"])
def test_an_instance_of_no_app_or_of_one_without_a_live_release_is_asked_nothing(
    house: House, app: str | None
) -> None:
    if app:
        house.fleet.apps["i-0c"] = app
    house.controller.host_ready("i-0c")
    assert house.fleet.asked == []


def test_a_new_host_that_ssm_does_not_take_a_command_for_is_left_to_the_inspection(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.apps["i-0c"] = "shop"
    house.fleet.trouble = CommandRefused("InvalidInstanceId")
    house.controller.host_ready("i-0c")
    assert house.application().current is None
    house.fleet.trouble = TryAgain("throttled")
    with pytest.raises(TryAgain):
        house.controller.host_ready("i-0c")
