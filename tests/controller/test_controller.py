"""The controller on DynamoDB, S3 and SNS as moto has them; its hosts are a fleet that records its orders."""

from collections import Counter
from dataclasses import replace

import pytest
from twinslot.domain.lifecycle import LEASE_SECONDS
from twinslot.domain.model import (
    NO_APP,
    Application,
    Decision,
    Deployment,
    HostReport,
    HostResult,
    Outcome,
    SlotReport,
)
from twinslot.errors import CommandRefused, LostRace, NothingToRollBackTo, TryAgain, UnknownCommand

from tests.controller.controller_fixture import BUCKET, ControllerFixture, jar


class Power(Exception):
    """The function died here."""


def test_an_upload_goes_live_in_three_commands_and_is_announced_once(fixture: ControllerFixture) -> None:
    deployment = fixture.deploy("1.0.0")
    assert fixture.fleet.sent == [(deployment, step, False) for step in ("stage", "flip", "bake")]
    assert fixture.heard() == [("1.0.0", "LIVE")]
    assert fixture.store.busy_apps() == ()


def test_a_file_that_is_no_jar_is_refused_and_announced(fixture: ControllerFixture) -> None:
    fixture.receive(fixture.event("shop/notes.jar", b"just text"))
    assert fixture.heard() == [("shop/notes.jar", "REFUSED")]
    assert fixture.fleet.sent == []


def test_a_key_that_names_no_app_is_refused_without_one(fixture: ControllerFixture) -> None:
    deployment = fixture.receive(fixture.event("Shop $(x)/a.jar", jar("1.0.0")))
    refused = fixture.store.deployment(NO_APP, deployment)
    assert refused and refused.outcome is Outcome.REFUSED
    assert [outcome for _, outcome in fixture.heard()] == ["REFUSED"]


def test_an_object_that_was_deleted_before_it_was_read_is_refused(fixture: ControllerFixture) -> None:
    event = fixture.event("shop/shop-1.jar", jar("1"))
    fixture.s3.delete_object(
        Bucket=BUCKET, Key="shop/shop-1.jar", VersionId=event["detail"]["object"]["version-id"]
    )
    fixture.receive(event)
    assert [outcome for _, outcome in fixture.heard()] == ["REFUSED"]


def test_the_same_event_again_is_the_same_deployment_also_after_its_end(fixture: ControllerFixture) -> None:
    event = fixture.event("shop/shop-1.0.0.jar", jar("1.0.0"))
    fixture.receive(event)
    fixture.receive(event)
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    fixture.receive(event)
    assert fixture.heard() == [("1.0.0", "LIVE")]
    assert len(fixture.store.history("shop", 10)) == 1


def test_who_uploaded_what_is_no_jar_is_announced_too(fixture: ControllerFixture) -> None:
    refused = fixture.receive(fixture.event("shop/notes.jar", b"just text", by="anna"))
    taken = fixture.upload("1.0.0")
    found = [fixture.store.deployment("shop", id) for id in (refused, taken)]
    assert [each and each.by for each in found] == ["anna", "account 123456789012"]


def test_a_refusal_that_is_repeated_is_announced_once(fixture: ControllerFixture) -> None:
    event = fixture.event("shop/notes.jar", b"just text")
    fixture.receive(event)
    fixture.receive(event)
    assert len(fixture.heard()) == 1


def test_settings_that_cannot_be_used_refuse_the_deployment_by_name(fixture: ControllerFixture) -> None:
    fixture.ssm.put_parameter(Name="/twinslot/apps/shop", Type="String", Value='{"bake_secs": 3}')
    deployment = fixture.upload("1.0.0")
    refused = fixture.store.deployment("shop", deployment)
    assert refused and refused.failure and "bake_secs" in refused.failure.reason
    assert fixture.heard() == [("1.0.0", "REFUSED")]


def test_a_rollback_names_its_deployment_where_it_goes_and_what_was_live(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    second = fixture.deploy("1.1.0")
    rollback = fixture.controller.rollback("shop", None, "ann", "request-1")
    assert rollback.to == "1.0.0"
    assert rollback.was_live and rollback.was_live.deployment == second
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    assert fixture.heard()[-1] == ("1.0.0", "LIVE")


def test_a_rollback_that_lambda_delivers_once_more_is_not_taken_back(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.deploy("1.1.0")
    fixture.controller.rollback("shop", None, "ann", "request-1")
    fixture.now += 1
    fixture.controller.rollback("shop", None, "ann", "request-1")
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    fixture.now += 60
    fixture.controller.rollback("shop", None, "ann", "request-1")
    assert fixture.application().current is None
    assert [outcome for _, outcome in fixture.heard()] == ["LIVE", "LIVE", "LIVE"]
    live = fixture.application().live
    assert live and live.release.label == "1.0.0"


@pytest.mark.parametrize("by_label", [True, False])
def test_a_rollback_goes_to_any_release_that_was_live(fixture: ControllerFixture, by_label: bool) -> None:
    first = fixture.deploy("1.0.0")
    fixture.deploy("1.1.0")
    fixture.deploy("1.2.0")
    rollback = fixture.controller.rollback("shop", "1.0.0" if by_label else first, "ann", "request-1")
    assert rollback.to == "1.0.0"


def test_the_command_of_an_announcement_keeps_its_target_a_day_later(
    fixture: ControllerFixture,
) -> None:
    fixture.deploy("1.0.0")
    fixture.deploy("1.1.0")
    asked = fixture.way_back()
    fixture.deploy("1.2.0")
    fixture.now += 86_400
    assert fixture.controller.rollback(*asked, "ann", "request-1").to == "1.0.0"


def test_what_a_rollback_cut_short_can_be_named_while_it_is_the_one_before(
    fixture: ControllerFixture,
) -> None:
    fixture.deploy("1.0.0")
    fixture.upload("1.1.0")
    for _ in ("stage", "flip"):
        fixture.end_step()
    fixture.controller.rollback("shop", None, "ann", "request-1")
    for _ in ("stage", "flip", "bake"):
        fixture.end_step()
    asked = fixture.way_back()
    assert fixture.controller.rollback(*asked, "ann", "request-2").to == "1.1.0"
    fixture.deploy("1.2.0")
    fixture.deploy("1.3.0")
    # Not to another one instead.
    with pytest.raises(NothingToRollBackTo):
        fixture.controller.rollback(*asked, "ann", "request-3")


def test_a_rollback_to_what_was_never_live_is_an_error_that_names_it(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.fleet.verdicts["i-0a", "stage"] = False
    fixture.upload("1.1.0")
    fixture.end_step()
    with pytest.raises(NothingToRollBackTo, match=r"shop: no release '1\.1\.0' was ever live"):
        fixture.controller.rollback("shop", "1.1.0", "ann", "request-1")
    assert fixture.application().current is None


def test_a_command_that_is_not_recorded_is_to_be_retried(fixture: ControllerFixture) -> None:
    with pytest.raises(UnknownCommand):
        fixture.controller.command_ended("0b3dd4a0-0000-0000-0000-000000000000")


def test_the_scheduled_check_finds_what_no_event_reported(fixture: ControllerFixture) -> None:
    fixture.upload("1.0.0")
    for _ in ("stage", "flip", "bake"):
        fixture.now += 1
        fixture.controller.scheduled_check()
    assert fixture.heard() == [("1.0.0", "LIVE")]


def test_the_scheduled_check_finds_the_host_that_never_reports(fixture: ControllerFixture) -> None:
    fixture.upload("1.0.0")
    fixture.fleet.verdicts["i-0b", "stage"] = None
    fixture.now += 3600
    fixture.controller.scheduled_check()
    failed = fixture.store.history("shop", 1)[0]
    assert failed.outcome is Outcome.FAILED
    assert failed.failure and failed.failure.host == "i-0b"


def test_a_command_is_sent_by_the_scheduled_check_when_the_function_died_before_sending_it(
    fixture: ControllerFixture,
) -> None:
    fixture.fleet.trouble = Power()
    with pytest.raises(Power):
        fixture.upload("1.0.0")
    fixture.now += LEASE_SECONDS
    fixture.controller.scheduled_check()
    assert [(step, repeat) for _, step, repeat in fixture.fleet.sent] == [("stage", True)]


def test_a_command_whose_sending_was_not_saved_is_looked_for_before_it_is_sent_again(
    fixture: ControllerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = fixture.store.save

    def dies_with_the_command(before: Application, decision: Decision) -> Application:
        if decision.commands:
            raise Power
        return save(before, decision)

    monkeypatch.setattr(fixture.store, "save", dies_with_the_command)
    with pytest.raises(Power):
        fixture.upload("1.0.0")
    monkeypatch.setattr(fixture.store, "save", save)
    fixture.now += LEASE_SECONDS
    fixture.controller.scheduled_check()
    assert [(step, repeat) for _, step, repeat in fixture.fleet.sent] == [("stage", False), ("stage", True)]


def test_an_announcement_that_sns_throttles_is_made_by_the_scheduled_check(
    fixture: ControllerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(act: object) -> None:
        raise TryAgain("slower, please")

    with monkeypatch.context() as patched:
        patched.setattr(fixture.announcer, "publish", throttled)
        fixture.receive(fixture.event("shop/notes.jar", b"just text"))
    assert fixture.heard() == []
    fixture.now += LEASE_SECONDS
    fixture.controller.scheduled_check()
    assert [outcome for _, outcome in fixture.heard()] == ["REFUSED"]


def test_a_command_that_ssm_refuses_fails_the_deployment(fixture: ControllerFixture) -> None:
    fixture.fleet.trouble = CommandRefused("no such document")
    fixture.upload("1.0.0")
    assert fixture.heard() == [("1.0.0", "FAILED")]


def test_a_controller_that_loses_the_race_decides_again_on_what_the_other_wrote(
    fixture: ControllerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = fixture.store.save
    other = fixture.event("shop/other.jar", jar("2.0.0"))
    raced: list[bool] = []

    def another_saves_first(before: Application, decision: Decision) -> Application:
        if not raced:
            raced.append(True)
            fixture.receive(other)
        return save(before, decision)

    event = fixture.event("shop/shop-1.0.0.jar", jar("1.0.0"))
    event["time"] = "2026-11-22T09:59:00Z"
    monkeypatch.setattr(fixture.store, "save", another_saves_first)
    fixture.receive(event)
    application = fixture.application()
    assert (
        application.current and application.current.release and application.current.release.label == "2.0.0"
    )
    assert (
        application.waiting and application.waiting.release and application.waiting.release.label == "1.0.0"
    )


def test_a_controller_that_loses_against_many_others_still_announces_once(
    fixture: ControllerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, lost = fixture.store.save, Counter[str]()

    def lose_often(before: Application, decision: Decision) -> Application:
        for act in {act.id for act in before.outbox} - {act.id for act in decision.application.outbox}:
            lost[act] += 1
            if lost[act] <= 40:
                raise LostRace("another was first")
        return save(before, decision)

    monkeypatch.setattr(fixture.store, "save", lose_often)
    deployment = fixture.deploy("1.0.0")
    fixture.now += LEASE_SECONDS
    fixture.controller.scheduled_check()
    assert fixture.told() == [(f"{deployment}/started", "STARTED"), (deployment, "LIVE")]
    assert lost[f"{deployment}/announce"] == 41


def test_an_error_of_one_app_does_not_affect_the_others(
    fixture: ControllerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture.upload("1.0.0")
    fixture.receive(fixture.event("cart/cart-1.0.0.jar", jar("1.0.0")))
    results = fixture.fleet.results

    def cart_is_broken(deployment: Deployment, command: str) -> tuple[HostResult, ...]:
        if deployment.app == "cart":
            raise Power
        return results(deployment, command)

    monkeypatch.setattr(fixture.fleet, "results", cart_is_broken)
    with pytest.raises(Power):
        fixture.controller.scheduled_check()
    current = fixture.application().current
    assert current and current.step and current.step.name == "flip"


def test_one_bad_host_of_two_takes_both_back(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.fleet.verdicts["i-0b", "bake"] = False
    second = fixture.upload("1.1.0")
    for _ in ("stage", "flip", "bake", "revert"):
        fixture.end_step()
    assert fixture.fleet.sent[-1] == (second, "revert", False)
    assert fixture.heard()[-1] == ("1.1.0", "REVERTED")
    live = fixture.application().live
    assert live and live.release.label == "1.0.0"


def test_reports_are_requested_from_the_hosts_of_apps_on_which_nothing_is_under_way(
    fixture: ControllerFixture,
) -> None:
    fixture.deploy("1.0.0")
    fixture.controller.request_reports()
    assert fixture.fleet.requested == [("shop", ("i-0a", "i-0b"))]
    fixture.upload("1.1.0")
    fixture.controller.request_reports()
    assert len(fixture.fleet.requested) == 1


def test_a_host_that_cannot_be_commanded_is_announced_once(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.heard()
    fixture.fleet.online = ("i-0a",)
    fixture.fleet.offline = (HostResult("i-0b", False, "its agent is gone"),)
    fixture.controller.request_reports()
    fixture.controller.request_reports()
    assert fixture.told_drift() == [[{"host": "i-0b", "what": "its agent is gone"}]]


def test_a_host_that_differs_is_announced_and_its_report_saved(
    fixture: ControllerFixture,
) -> None:
    fixture.deploy("1.0.0")
    fixture.heard()
    live = fixture.application().live
    assert live
    slots = {"green": SlotReport(live.release.sha256, "1.0.0", "failed", False, 0)}
    said = HostReport(
        "i-0a", "shop", "report", "report", "", 0, True, "", (), "green", False, slots, None, {}
    )
    fixture.fleet.reported = (HostResult("i-0a", True, report=said),)
    fixture.controller.hosts_reported("shop", "report-of-shop")
    ((difference,),) = fixture.told_drift()
    assert difference["host"] == "i-0a"
    assert "is not running (failed)" in difference["what"]
    kept = fixture.dynamodb.get_item(
        TableName="twinslot", Key={"pk": {"S": "APP#shop"}, "sk": {"S": "HOST#i-0a"}}
    )
    assert kept["Item"]["verb"] == {"S": "report"}


def test_a_saved_application_reads_as_it_was(fixture: ControllerFixture) -> None:
    fixture.deploy("1.0.0")
    fixture.upload("1.1.0")
    application = fixture.application()
    saved = fixture.store.save(application, Decision(replace(application, fence=99)))
    assert fixture.application() == saved


def test_a_start_is_announced_once_before_the_end(fixture: ControllerFixture) -> None:
    deployment = fixture.deploy("1.0.0")
    assert fixture.told() == [(f"{deployment}/started", "STARTED"), (deployment, "LIVE")]


def test_a_start_that_sns_refuses_delays_nothing_and_is_announced_by_the_scheduled_check(
    fixture: ControllerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(fixture.announcer, "publish", refuse)
        deployment = fixture.upload("1.0.0")
    assert fixture.fleet.sent == [(deployment, "stage", False)]
    fixture.now += LEASE_SECONDS
    fixture.controller.scheduled_check()
    assert (f"{deployment}/started", "STARTED") in fixture.told()


def test_a_start_that_was_not_announced_before_the_end_is_dropped(
    fixture: ControllerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(fixture.announcer, "publish", refuse)
        deployment = fixture.deploy("1.0.0")
    fixture.now += LEASE_SECONDS
    fixture.controller.scheduled_check()
    assert fixture.told() == [(deployment, "LIVE")]


def refuse(act: object) -> None:
    raise TryAgain("SNS is away")
