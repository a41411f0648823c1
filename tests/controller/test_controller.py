"""The controller on DynamoDB, S3 and SNS as moto has them; its hosts are a fleet that records its orders."""

from collections import Counter
from dataclasses import replace

import pytest
from twinslot.domain.lifecycle import LEASE_SECONDS
from twinslot.domain.model import (
    NOBODY,
    Application,
    Decision,
    Deployment,
    HostReport,
    HostResult,
    Outcome,
    SlotReport,
)
from twinslot.errors import CommandRefused, LostRace, NothingToRollBackTo, TryAgain, UnknownCommand

from tests.controller.controller_fixture import BUCKET, House, jar


class Power(Exception):
    """The function died here."""


def test_an_upload_goes_live_in_three_commands_and_is_announced_once(house: House) -> None:
    deployment = house.deploy("1.0.0")
    assert house.fleet.sent == [(deployment, step, False) for step in ("stage", "flip", "bake")]
    assert house.heard() == [("1.0.0", "LIVE")]
    assert house.store.busy_apps() == ()


def test_a_file_that_is_no_jar_is_refused_and_announced(house: House) -> None:
    house.receive(house.event("shop/notes.jar", b"just text"))
    assert house.heard() == [("shop/notes.jar", "REFUSED")]
    assert house.fleet.sent == []


def test_a_key_that_names_no_app_is_refused_under_nobody(house: House) -> None:
    deployment = house.receive(house.event("Shop $(x)/a.jar", jar("1.0.0")))
    refused = house.store.deployment(NOBODY, deployment)
    assert refused and refused.outcome is Outcome.REFUSED
    assert [outcome for _, outcome in house.heard()] == ["REFUSED"]


def test_an_object_that_was_deleted_before_it_was_read_is_refused(house: House) -> None:
    event = house.event("shop/shop-1.jar", jar("1"))
    house.s3.delete_object(
        Bucket=BUCKET, Key="shop/shop-1.jar", VersionId=event["detail"]["object"]["version-id"]
    )
    house.receive(event)
    assert [outcome for _, outcome in house.heard()] == ["REFUSED"]


def test_the_same_event_again_is_the_same_deployment_also_after_its_end(house: House) -> None:
    event = house.event("shop/shop-1.0.0.jar", jar("1.0.0"))
    house.receive(event)
    house.receive(event)
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    house.receive(event)
    assert house.heard() == [("1.0.0", "LIVE")]
    assert len(house.store.history("shop", 10)) == 1


def test_who_uploaded_what_is_no_jar_is_told_too(house: House) -> None:
    refused = house.receive(house.event("shop/notes.jar", b"just text", by="anna"))
    taken = house.upload("1.0.0")
    found = [house.store.deployment("shop", id) for id in (refused, taken)]
    assert [each and each.by for each in found] == ["anna", "account 123456789012"]


def test_a_refusal_that_is_repeated_is_announced_once(house: House) -> None:
    event = house.event("shop/notes.jar", b"just text")
    house.receive(event)
    house.receive(event)
    assert len(house.heard()) == 1


def test_settings_that_cannot_be_used_refuse_the_deployment_by_name(house: House) -> None:
    house.ssm.put_parameter(Name="/twinslot/apps/shop", Type="String", Value='{"bake_secs": 3}')
    deployment = house.upload("1.0.0")
    refused = house.store.deployment("shop", deployment)
    assert refused and refused.failure and "bake_secs" in refused.failure.reason
    assert house.heard() == [("1.0.0", "REFUSED")]


def test_a_rollback_names_its_deployment_where_it_goes_and_what_was_live(house: House) -> None:
    house.deploy("1.0.0")
    second = house.deploy("1.1.0")
    rollback = house.controller.rollback("shop", None, "ann", "request-1")
    assert rollback.to == "1.0.0"
    assert rollback.was_live and rollback.was_live.deployment == second
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    assert house.heard()[-1] == ("1.0.0", "LIVE")


def test_a_rollback_that_lambda_delivers_once_more_is_not_taken_back(house: House) -> None:
    house.deploy("1.0.0")
    house.deploy("1.1.0")
    house.controller.rollback("shop", None, "ann", "request-1")
    house.now += 1
    house.controller.rollback("shop", None, "ann", "request-1")
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    house.now += 60
    house.controller.rollback("shop", None, "ann", "request-1")
    assert house.application().current is None
    assert [outcome for _, outcome in house.heard()] == ["LIVE", "LIVE", "LIVE"]
    live = house.application().live
    assert live and live.release.label == "1.0.0"


@pytest.mark.parametrize("by_label", [True, False])
def test_a_rollback_goes_to_any_release_that_was_live(house: House, by_label: bool) -> None:
    first = house.deploy("1.0.0")
    house.deploy("1.1.0")
    house.deploy("1.2.0")
    rollback = house.controller.rollback("shop", "1.0.0" if by_label else first, "ann", "request-1")
    assert rollback.to == "1.0.0"


def test_the_command_of_an_announcement_goes_where_it_says_also_a_day_later(house: House) -> None:
    house.deploy("1.0.0")
    house.deploy("1.1.0")
    asked = house.way_back()
    house.deploy("1.2.0")
    house.now += 86_400
    assert house.controller.rollback(*asked, "ann", "request-1").to == "1.0.0"


def test_what_a_rollback_cut_short_can_be_named_while_it_is_the_one_before(house: House) -> None:
    house.deploy("1.0.0")
    house.upload("1.1.0")
    for _ in ("stage", "flip"):
        house.end_step()
    house.controller.rollback("shop", None, "ann", "request-1")
    for _ in ("stage", "flip", "bake"):
        house.end_step()
    asked = house.way_back()
    assert house.controller.rollback(*asked, "ann", "request-2").to == "1.1.0"
    house.deploy("1.2.0")
    house.deploy("1.3.0")
    # Not to another one instead.
    with pytest.raises(NothingToRollBackTo):
        house.controller.rollback(*asked, "ann", "request-3")


def test_a_rollback_to_what_was_never_live_is_an_error_that_names_it(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.verdicts["i-0a", "stage"] = False
    house.upload("1.1.0")
    house.end_step()
    with pytest.raises(NothingToRollBackTo, match=r"shop: no release '1\.1\.0' was ever live"):
        house.controller.rollback("shop", "1.1.0", "ann", "request-1")
    assert house.application().current is None


def test_a_command_that_nobody_recorded_is_to_be_tried_again(house: House) -> None:
    with pytest.raises(UnknownCommand):
        house.controller.command_ended("0b3dd4a0-0000-0000-0000-000000000000")


def test_a_tick_finds_what_no_event_told(house: House) -> None:
    house.upload("1.0.0")
    for _ in ("stage", "flip", "bake"):
        house.now += 1
        house.controller.tick()
    assert house.heard() == [("1.0.0", "LIVE")]


def test_a_tick_finds_the_host_that_never_answers(house: House) -> None:
    house.upload("1.0.0")
    house.fleet.verdicts["i-0b", "stage"] = None
    house.now += 3600
    house.controller.tick()
    failed = house.store.history("shop", 1)[0]
    assert failed.outcome is Outcome.FAILED
    assert failed.failure and failed.failure.host == "i-0b"


def test_a_command_is_sent_by_the_tick_when_the_function_died_before_sending_it(house: House) -> None:
    house.fleet.trouble = Power()
    with pytest.raises(Power):
        house.upload("1.0.0")
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert [(step, repeat) for _, step, repeat in house.fleet.sent] == [("stage", True)]


def test_a_command_whose_sending_was_not_saved_is_looked_for_before_it_is_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = house.store.save

    def dies_with_the_command(before: Application, decision: Decision) -> Application:
        if decision.commands:
            raise Power
        return save(before, decision)

    monkeypatch.setattr(house.store, "save", dies_with_the_command)
    with pytest.raises(Power):
        house.upload("1.0.0")
    monkeypatch.setattr(house.store, "save", save)
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert [(step, repeat) for _, step, repeat in house.fleet.sent] == [("stage", False), ("stage", True)]


def test_an_announcement_that_sns_throttles_is_made_by_the_tick(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(act: object) -> None:
        raise TryAgain("slower, please")

    with monkeypatch.context() as patched:
        patched.setattr(house.announcer, "publish", throttled)
        house.receive(house.event("shop/notes.jar", b"just text"))
    assert house.heard() == []
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert [outcome for _, outcome in house.heard()] == ["REFUSED"]


def test_a_command_that_ssm_refuses_fails_the_deployment(house: House) -> None:
    house.fleet.trouble = CommandRefused("no such document")
    house.upload("1.0.0")
    assert house.heard() == [("1.0.0", "FAILED")]


def test_a_controller_that_loses_the_race_decides_again_on_what_the_other_wrote(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = house.store.save
    other = house.event("shop/other.jar", jar("2.0.0"))
    raced: list[bool] = []

    def another_saves_first(before: Application, decision: Decision) -> Application:
        if not raced:
            raced.append(True)
            house.receive(other)
        return save(before, decision)

    event = house.event("shop/shop-1.0.0.jar", jar("1.0.0"))
    event["time"] = "2026-11-22T09:59:00Z"
    monkeypatch.setattr(house.store, "save", another_saves_first)
    house.receive(event)
    application = house.application()
    assert (
        application.current and application.current.release and application.current.release.label == "2.0.0"
    )
    assert (
        application.waiting and application.waiting.release and application.waiting.release.label == "1.0.0"
    )


def test_a_controller_that_loses_against_many_others_still_tells_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, lost = house.store.save, Counter[str]()

    def lose_often(before: Application, decision: Decision) -> Application:
        for act in {act.id for act in before.outbox} - {act.id for act in decision.application.outbox}:
            lost[act] += 1
            if lost[act] <= 40:
                raise LostRace("another was first")
        return save(before, decision)

    monkeypatch.setattr(house.store, "save", lose_often)
    deployment = house.deploy("1.0.0")
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert house.told() == [(f"{deployment}/started", "STARTED"), (deployment, "LIVE")]
    assert lost[f"{deployment}/announce"] == 41


def test_one_apps_trouble_does_not_keep_the_clock_from_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.upload("1.0.0")
    house.receive(house.event("cart/cart-1.0.0.jar", jar("1.0.0")))
    results = house.fleet.results

    def cart_is_broken(deployment: Deployment, command: str) -> tuple[HostResult, ...]:
        if deployment.app == "cart":
            raise Power
        return results(deployment, command)

    monkeypatch.setattr(house.fleet, "results", cart_is_broken)
    with pytest.raises(Power):
        house.controller.tick()
    current = house.application().current
    assert current and current.step and current.step.name == "flip"


def test_one_bad_host_of_two_takes_both_back(house: House) -> None:
    house.deploy("1.0.0")
    house.fleet.verdicts["i-0b", "bake"] = False
    second = house.upload("1.1.0")
    for _ in ("stage", "flip", "bake", "revert"):
        house.end_step()
    assert house.fleet.sent[-1] == (second, "revert", False)
    assert house.heard()[-1] == ("1.1.0", "REVERTED")
    live = house.application().live
    assert live and live.release.label == "1.0.0"


def test_an_inspection_asks_the_hosts_of_apps_on_which_nothing_is_under_way(house: House) -> None:
    house.deploy("1.0.0")
    house.controller.inspect()
    assert house.fleet.asked == [("shop", ("i-0a", "i-0b"))]
    house.upload("1.1.0")
    house.controller.inspect()
    assert len(house.fleet.asked) == 1


def test_a_host_that_cannot_be_asked_is_told_of_once(house: House) -> None:
    house.deploy("1.0.0")
    house.heard()
    house.fleet.online = ("i-0a",)
    house.fleet.offline = (HostResult("i-0b", False, "its agent is gone"),)
    house.controller.inspect()
    house.controller.inspect()
    assert house.told_drift() == [[{"host": "i-0b", "what": "its agent is gone"}]]


def test_a_host_that_is_not_as_the_table_says_is_told_of_and_its_report_kept(house: House) -> None:
    house.deploy("1.0.0")
    house.heard()
    live = house.application().live
    assert live
    slots = {"green": SlotReport(live.release.sha256, "1.0.0", "failed", False, 0)}
    said = HostReport(
        "i-0a", "shop", "report", "report", "", 0, True, "", (), "green", False, slots, None, {}
    )
    house.fleet.reported = (HostResult("i-0a", True, report=said),)
    house.controller.hosts_reported("shop", "report-of-shop")
    ((difference,),) = house.told_drift()
    assert difference["host"] == "i-0a"
    assert "is gone (failed)" in difference["what"]
    kept = house.dynamodb.get_item(
        TableName="twinslot", Key={"pk": {"S": "APP#shop"}, "sk": {"S": "HOST#i-0a"}}
    )
    assert kept["Item"]["verb"] == {"S": "report"}


def test_a_saved_application_reads_as_it_was(house: House) -> None:
    house.deploy("1.0.0")
    house.upload("1.1.0")
    application = house.application()
    saved = house.store.save(application, Decision(replace(application, fence=99)))
    assert house.application() == saved


def test_a_start_is_told_once_before_the_end(house: House) -> None:
    deployment = house.deploy("1.0.0")
    assert house.told() == [(f"{deployment}/started", "STARTED"), (deployment, "LIVE")]


def test_a_start_that_sns_does_not_take_delays_nothing_and_a_tick_tells_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(house.announcer, "publish", refuse)
        deployment = house.upload("1.0.0")
    assert house.fleet.sent == [(deployment, "stage", False)]
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert (f"{deployment}/started", "STARTED") in house.told()


def test_a_start_that_was_not_told_before_the_end_is_dropped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(house.announcer, "publish", refuse)
        deployment = house.deploy("1.0.0")
    house.now += LEASE_SECONDS
    house.controller.tick()
    assert house.told() == [(deployment, "LIVE")]


def refuse(act: object) -> None:
    raise TryAgain("SNS is away")
