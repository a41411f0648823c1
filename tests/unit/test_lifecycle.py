"""The rules of a deployment's life, event by event."""

from dataclasses import replace

import pytest
from twinslot.domain.events import (
    Announced,
    CommandEnded,
    CommandFailed,
    RollbackRequested,
    ScheduledCheck,
    UploadRefused,
)
from twinslot.domain.lifecycle import LEASE_SECONDS, SURVEY_SECONDS, allowed_seconds
from twinslot.domain.model import (
    Announce,
    AnnounceStart,
    HostResult,
    Live,
    Outcome,
    Phase,
    SendCommand,
    Settings,
    UploadOrder,
    Warn,
)
from twinslot.errors import NothingToRollBackTo

from tests.unit.lifecycle_driver import HOSTS, LifecycleDriver, jar, result, upload


def test_an_upload_stages_flips_bakes_and_is_live(driver: LifecycleDriver) -> None:
    driver.deploy("v1")
    assert driver.commanded == [("Dv1", "stage", 1), ("Dv1", "flip", 1), ("Dv1", "bake", 1)]
    assert driver.outcomes() == {"Dv1": Outcome.LIVE}
    assert driver.application.live and driver.application.live.release == jar("v1")
    assert driver.application.current is None


def test_seconds_are_summed_for_each_phase(driver: LifecycleDriver) -> None:
    driver.deploy("v1")
    assert driver.announced[0].deployment.seconds() == {
        "waiting": 0.0,
        "staging": 3.0,
        "flipping": 2.0,
        "baking": 2.0,
    }


def test_the_release_before_becomes_the_previous_one(running: LifecycleDriver) -> None:
    assert running.application.live and running.application.live.release.label == "v2"
    assert running.application.previous and running.application.previous.release.label == "v1"


def test_deploying_the_live_jar_again_keeps_the_previous_release(running: LifecycleDriver) -> None:
    running.receive(
        replace(upload("v2", running.now), id="Dagain", order=UploadOrder("shop/copy.jar", "0B", running.now))
    )
    running.survey()
    running.end()
    assert running.application.previous and running.application.previous.release.label == "v1"


def test_no_host_flips_before_all_have_staged(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", driver.now))
    driver.survey()
    driver.end(result("i-0a"), result("i-0b", None))
    assert [step for _, step, _ in driver.commanded] == ["stage"]
    assert driver.current.phase is Phase.STAGING


def test_one_host_that_fails_to_stage_fails_the_deployment_and_moves_no_traffic(
    running: LifecycleDriver,
) -> None:
    running.receive(upload("v3", running.now))
    running.survey()
    running.end(result("i-0a"), result("i-0b", False, reason="died"))
    failure = running.recorded["Dv3"].failure
    assert running.outcomes()["Dv3"] is Outcome.FAILED
    assert failure and (failure.host, failure.phase, failure.reason) == ("i-0b", Phase.STAGING, "died")
    assert ("Dv3", "flip", 3) not in running.commanded
    assert running.application.live and running.application.live.release.label == "v2"


def test_hosts_with_different_bytes_do_not_flip(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", driver.now))
    driver.survey()
    driver.end(result("i-0a", sha256="aa" * 32), result("i-0b", sha256="bb" * 32))
    assert driver.outcomes() == {"Dv1": Outcome.FAILED}
    failure = driver.recorded["Dv1"].failure
    assert failure and "different bytes" in failure.reason


def test_the_digest_that_hosts_computed_belongs_to_the_release(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", driver.now))
    driver.survey()
    driver.end(*(result(host, sha256="aa" * 32) for host in HOSTS))
    assert driver.application.live and driver.application.live.release.sha256 == "aa" * 32


@pytest.mark.parametrize("phase", ["flip", "bake"])
def test_one_host_that_fails_after_the_flip_takes_all_back_under_a_higher_fence(
    running: LifecycleDriver, phase: str
) -> None:
    running.receive(upload("v3", running.now))
    running.survey()
    running.end()
    if phase == "bake":
        running.end()
    running.end(result("i-0a"), result("i-0b", False, reason="5xx"))
    assert running.current.phase is Phase.REVERTING
    running.end()
    assert running.outcomes()["Dv3"] is Outcome.REVERTED
    assert running.commanded[-1] == ("Dv3", "revert", 4)
    assert running.application.live and running.application.live.release.label == "v2"
    assert running.application.previous and running.application.previous.release.label == "v1"


def test_a_host_that_fails_the_bake_is_not_waited_for_by_the_others(running: LifecycleDriver) -> None:
    running.receive(upload("v3", running.now))
    running.survey()
    running.end()
    running.end()
    running.end(result("i-0a", None), result("i-0b", False))
    assert running.current.phase is Phase.REVERTING


def test_a_revert_is_tried_three_times_and_then_names_the_hosts_that_did_not_confirm(
    running: LifecycleDriver,
) -> None:
    running.receive(upload("v3", running.now))
    running.survey()
    running.end()
    for _ in range(4):
        running.end(result("i-0a"), result("i-0b", False, reason="gone"))
    assert [step for deployment, step, _ in running.commanded if deployment == "Dv3"] == [
        "stage",
        "flip",
        "revert",
        "revert-2",
        "revert-3",
    ]
    assert running.outcomes()["Dv3"] is Outcome.REVERTED
    assert running.recorded["Dv3"].unconfirmed == ("i-0b",)


def test_a_first_release_that_fails_its_bake_stays_for_want_of_another(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", driver.now))
    driver.survey()
    driver.end()
    driver.end()
    driver.end(result("i-0a", False))
    assert driver.outcomes() == {"Dv1": Outcome.FAILED}
    assert driver.application.live and driver.application.live.release.label == "v1"


def test_a_deployment_starts_from_what_the_hosts_serve_when_somebody_flipped_them_by_hand(
    running: LifecycleDriver,
) -> None:
    two, one = running.application.live, running.application.previous
    assert two and one
    running.application = replace(
        running.application,
        live=replace(two, release=replace(two.release, sha256="22" * 32)),
        previous=replace(one, release=replace(one.release, sha256="11" * 32)),
    )
    running.receive(upload("v3", running.now))
    running.survey()
    served = tuple(result(host, sha256="11" * 32) for host in HOSTS)
    staged = tuple(
        replace(told, report=replace(told.report, sha256="33" * 32)) for told in served if told.report
    )
    running.end(*staged)
    assert running.current.live_before and running.current.live_before.release.label == "v1"
    assert any(isinstance(act, Warn) for act in running.application.outbox)


def test_the_newest_upload_waits_and_older_waiting_ones_are_superseded(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.receive(upload("v2", 2.0))
    driver.receive(upload("v3", 3.0))
    assert driver.outcomes() == {"Dv2": Outcome.SUPERSEDED}
    assert driver.application.waiting and driver.application.waiting.id == "Dv3"
    driver.survey()
    driver.end(result("i-0a", False))
    assert driver.current.id == "Dv3"


def test_an_upload_whose_event_comes_late_is_superseded_by_the_newer_one(driver: LifecycleDriver) -> None:
    driver.receive(upload("v2", 2.0))
    driver.receive(upload("v1", 1.0))
    assert driver.outcomes() == {"Dv1": Outcome.SUPERSEDED}
    assert driver.current.id == "Dv2"


def test_uploads_of_one_key_are_ordered_by_their_sequencers_not_their_times(driver: LifecycleDriver) -> None:
    newer = replace(upload("v1", 5.0), id="Dnewer", order=UploadOrder("shop/a.jar", "0100", 5.0))
    older = replace(upload("v1", 9.0), id="Dolder", order=UploadOrder("shop/a.jar", "FF", 9.0))
    driver.receive(newer)
    driver.receive(older)
    assert driver.outcomes() == {"Dolder": Outcome.SUPERSEDED}


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_keys_in_one_second_the_same_one_wins_whichever_event_came_first(
    driver: LifecycleDriver, reverse: bool
) -> None:
    older = replace(upload("v1", 5.0), order=UploadOrder("shop/b.jar", "0A1", 5.0))
    newer = replace(upload("v2", 5.0), order=UploadOrder("shop/a.jar", "0A2", 5.0))
    for event in (newer, older) if reverse else (older, newer):
        driver.receive(event)
    newest = driver.application.newest
    assert newest and newest.key == "shop/a.jar"


def test_the_same_event_twice_is_one_deployment(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    before = driver.application
    decision = driver.receive(upload("v1", 1.0))
    assert decision.application == before and not decision.acts


def test_a_refused_upload_is_announced_and_disturbs_nothing(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    current = driver.current
    driver.receive(
        UploadRefused("Dbad", "shop", UploadOrder("shop/x.jar", "0B", 3.0), "ann", "shop/x.jar", "no zip")
    )
    assert driver.outcomes() == {"Dbad": Outcome.REFUSED}
    assert driver.current == current


def test_a_rollback_makes_the_previous_release_live(running: LifecycleDriver) -> None:
    running.receive(RollbackRequested("Dback", "shop", running.now, "ann"))
    assert running.current.release == jar("v1")
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.application.live and running.application.live.release.label == "v1"
    assert running.application.previous and running.application.previous.release.label == "v2"


def test_a_rollback_ends_what_is_under_way_and_what_waits(running: LifecycleDriver) -> None:
    running.receive(upload("v3", running.now))
    running.receive(upload("v4", running.now))
    running.receive(RollbackRequested("Dback", "shop", running.now + 1, "ann"))
    assert running.outcomes()["Dv3"] is Outcome.CANCELLED
    assert running.outcomes()["Dv4"] is Outcome.CANCELLED
    assert running.current.id == "Dback" and running.current.fence == 4


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_rollback_after_the_flip_was_commanded_goes_to_what_was_live_before(
    running: LifecycleDriver, steps: int
) -> None:
    running.receive(upload("v3", running.now))
    running.survey()
    for _ in range(min(steps, 2)):
        running.end()
    if steps == 3:
        running.end(result("i-0a", False))
        assert running.current.phase is Phase.REVERTING
    running.receive(RollbackRequested("Dback", "shop", running.now + 1, "ann"))
    assert running.current.release == jar("v2")


def test_a_rollback_is_newer_than_what_was_uploaded_before_it(running: LifecycleDriver) -> None:
    uploaded = running.now
    running.receive(RollbackRequested("Dback", "shop", running.now + 5, "ann"))
    running.receive(upload("v3", uploaded))
    assert running.outcomes()["Dv3"] is Outcome.SUPERSEDED


def test_a_rollback_to_a_named_release_deploys_that_one(running: LifecycleDriver) -> None:
    earlier = Live(jar("v0"), "Dv0", 1.0)
    running.receive(RollbackRequested("Dback", "shop", running.now, "ann", earlier))
    assert running.current.release == jar("v0")


def test_a_rollback_without_an_earlier_release_is_an_error_that_changes_nothing(
    driver: LifecycleDriver,
) -> None:
    driver.deploy("v1")
    with pytest.raises(NothingToRollBackTo, match="shop: there is no previous release"):
        driver.receive(RollbackRequested("Dback", "shop", driver.now, "ann"))


def test_an_app_without_hosts_is_refused_before_any_host_is_touched(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.survey(())
    assert driver.outcomes() == {"Dv1": Outcome.REFUSED}
    assert driver.commanded == []
    failure = driver.recorded["Dv1"].failure
    assert failure and "twinslot=shop" in failure.reason


def test_a_host_whose_agent_is_gone_refuses_an_upload(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.survey(("i-0a",), offline=(HostResult("i-0b", False, "its agent was last heard of at noon"),))
    failure = driver.recorded["Dv1"].failure
    assert driver.outcomes() == {"Dv1": Outcome.REFUSED}
    assert failure and failure.host == "i-0b"


def test_a_host_whose_agent_is_gone_does_not_keep_the_others_from_a_rollback(
    running: LifecycleDriver,
) -> None:
    running.receive(RollbackRequested("Dback", "shop", running.now, "ann"))
    running.survey(("i-0a",), offline=(HostResult("i-0b", False, "gone"),))
    assert running.current.hosts == ("i-0a",)
    assert running.current.unconfirmed == ("i-0b",)


def test_bad_settings_refuse_the_deployment(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.survey(refusal="bake_secs: no such setting")
    assert driver.outcomes() == {"Dv1": Outcome.REFUSED}


def test_a_refused_deployment_makes_way_for_the_one_that_waits(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.receive(upload("v2", 2.0))
    driver.survey(())
    assert driver.current.id == "Dv2"


def test_a_host_that_is_silent_past_the_deadline_has_failed(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.survey()
    driver.end(result("i-0a"), result("i-0b", None), after=allowed_seconds("stage", Settings()) + 2)
    failure = driver.recorded["Dv1"].failure
    assert driver.outcomes() == {"Dv1": Outcome.FAILED}
    assert failure and failure.host == "i-0b"


def test_a_command_that_ssm_refuses_fails_its_step(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.survey()
    driver.receive(CommandFailed("Dv1/stage", "Dv1", "stage", "no such document"))
    assert driver.outcomes() == {"Dv1": Outcome.FAILED}


def test_a_command_that_was_never_sent_fails_at_its_deadline(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.survey()
    driver.receive(ScheduledCheck(), after=allowed_seconds("stage", Settings()) + 1)
    assert driver.outcomes() == {"Dv1": Outcome.FAILED}
    assert not any(isinstance(act, SendCommand) for act in driver.application.outbox)


def test_a_look_up_of_hosts_that_never_answers_ends_the_deployment(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.receive(ScheduledCheck(), after=SURVEY_SECONDS + 1)
    assert driver.outcomes() == {"Dv1": Outcome.FAILED}


def test_the_end_of_a_command_of_before_changes_nothing(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    driver.survey()
    stage = driver.send()
    driver.receive(CommandEnded(stage, tuple(result(host) for host in HOSTS)))
    before = driver.application
    assert driver.receive(CommandEnded(stage, (result("i-0a", False),))).application == before


def test_an_act_stays_in_the_outbox_until_its_answer_comes(driver: LifecycleDriver) -> None:
    driver.deploy("v1")
    (announce,) = driver.application.outbox
    assert isinstance(announce, Announce)
    driver.receive(Announced(announce.id))
    assert driver.application.outbox == ()
    assert not driver.application.busy


def test_a_scheduled_check_repeats_an_act_only_when_its_lease_is_over(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", 1.0))
    assert driver.receive(ScheduledCheck(), after=LEASE_SECONDS - 1).acts == ()
    (survey,) = driver.receive(ScheduledCheck(), after=1).acts
    assert survey.id == "Dv1/survey"
    assert driver.receive(ScheduledCheck(), after=1).acts == ()


def test_a_start_is_announced_after_the_hosts_were_commanded_to_stage(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", driver.now))
    assert driver.told == []
    decision = driver.survey()
    assert [act.id for act in decision.acts] == ["Dv1/stage", "Dv1/started"]
    (start,) = driver.told
    assert isinstance(start, AnnounceStart)
    assert (start.deployment.hosts, start.deployment.outcome, start.live) == (HOSTS, None, None)


def test_a_start_that_could_not_be_announced_stays_until_it_is(running: LifecycleDriver) -> None:
    running.receive(upload("v3", running.now))
    running.survey()
    running.end()
    decision = running.receive(ScheduledCheck(), after=LEASE_SECONDS)
    assert "Dv3/started" in [act.id for act in decision.acts]
    running.receive(Announced("Dv3/started"))
    assert "Dv3/started" not in [act.id for act in running.application.outbox]


def test_a_start_is_not_announced_after_the_end(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", driver.now))
    driver.survey()
    driver.end(result("i-0a", False))
    assert [act.id for act in driver.application.outbox] == ["Dv1/announce"]


def test_a_deployment_that_cannot_begin_announces_no_start(driver: LifecycleDriver) -> None:
    driver.receive(upload("v1", driver.now))
    driver.survey((), refusal="bad settings")
    assert driver.told == []
