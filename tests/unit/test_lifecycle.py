"""The rules of a deployment's life, event by event."""

from dataclasses import replace

import pytest
from twinslot.errors import NothingToRollBackTo, UnknownApp
from twinslot.events import (
    Announced,
    CommandEnded,
    CommandFailed,
    CommandSent,
    Event,
    HoldAsked,
    Inspected,
    ResumeAsked,
    RollbackAsked,
    Surveyed,
    Tick,
    UploadArrived,
    UploadRefused,
)
from twinslot.lifecycle import LEASE_SECONDS, MOST_JOINING, SURVEY_SECONDS, allowed_seconds, decide
from twinslot.model import (
    Announce,
    AnnounceHold,
    AnnounceStart,
    Application,
    Decision,
    Deployment,
    Hold,
    HostReport,
    HostResult,
    Kind,
    Live,
    Order,
    Outcome,
    Phase,
    Release,
    SendCommand,
    Settings,
    SlotReport,
    Survey,
    Warn,
)

HOSTS = ("i-0a", "i-0b")


def jar(label: str) -> Release:
    return Release("artifacts", f"shop/shop-{label}.jar", f"version-of-{label}", 1000, label)


def upload(label: str, at: float) -> UploadArrived:
    return UploadArrived(f"D{label}", "shop", jar(label), Order(jar(label).key, "0A", at), "ann")


def result(host: str, ok: bool | None = True, sha256: str | None = None, reason: str = "") -> HostResult:
    report = None
    if ok is not None:
        slots = {"green": SlotReport(sha256, "some", "active", True, 7)}
        report = HostReport(
            host, "shop", "stage", "stage", "D", 1, ok, reason, (), "green", False, slots, sha256, {}
        )
    return HostResult(host, ok, reason, (), report)


class House:
    """An application that lives through events; what was announced and commanded is kept in order."""

    def __init__(self, application: Application | None = None) -> None:
        self.application = application or Application("shop")
        self.now = 1000.0
        self.announced: list[Announce] = []
        self.told: list[AnnounceStart | AnnounceHold] = []
        self.commanded: list[tuple[str, str, int]] = []
        self.recorded: dict[str, Deployment] = {}

    def meet(self, event: Event, after: float = 1.0) -> Decision:
        self.now += after
        decision = decide(self.application, event, self.now)
        self.application = decision.application
        self.recorded |= {record.id: record for record in decision.records}
        for act in decision.acts:
            match act:
                case Announce():
                    self.announced.append(act)
                case SendCommand():
                    assert self.application.current
                    self.commanded.append((act.deployment, act.step, self.application.current.fence))
                case Survey() | Warn():
                    pass
                case _:
                    self.told.append(act)
        return decision

    @property
    def current(self) -> Deployment:
        assert self.application.current
        return self.application.current

    def survey(self, hosts: tuple[str, ...] = HOSTS, **more: object) -> Decision:
        answer = Surveyed(f"{self.current.id}/survey", self.current.id, hosts, Settings(), **more)  # type: ignore[arg-type]
        return self.meet(answer)

    def send(self) -> str:
        assert self.current.step
        name = self.current.step.name
        command = f"command-{self.current.id}-{name}"
        self.meet(CommandSent(f"{self.current.id}/{name}", self.current.id, name, command))
        return command

    def end(self, *results: HostResult, after: float = 1.0) -> Decision:
        command = self.send()
        return self.meet(CommandEnded(command, results or tuple(result(host) for host in HOSTS)), after)

    def deploy(self, label: str) -> None:
        self.meet(upload(label, self.now))
        self.survey()
        for _ in ("stage", "flip", "bake"):
            self.end()

    def outcomes(self) -> dict[str, Outcome | None]:
        return {act.deployment.id: act.deployment.outcome for act in self.announced}


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def running() -> House:
    """v1 and then v2 went live."""
    house = House()
    house.deploy("v1")
    house.deploy("v2")
    return house


def test_an_upload_stages_flips_bakes_and_is_live(house: House) -> None:
    house.deploy("v1")
    assert house.commanded == [("Dv1", "stage", 1), ("Dv1", "flip", 1), ("Dv1", "bake", 1)]
    assert house.outcomes() == {"Dv1": Outcome.LIVE}
    assert house.application.live and house.application.live.release == jar("v1")
    assert house.application.current is None


def test_seconds_are_told_for_each_phase(house: House) -> None:
    house.deploy("v1")
    assert house.announced[0].deployment.seconds() == {
        "waiting": 0.0,
        "staging": 3.0,
        "flipping": 2.0,
        "baking": 2.0,
    }


def test_the_release_before_becomes_the_previous_one(running: House) -> None:
    assert running.application.live and running.application.live.release.label == "v2"
    assert running.application.previous and running.application.previous.release.label == "v1"


def test_deploying_the_live_jar_again_keeps_the_previous_release(running: House) -> None:
    running.meet(
        replace(upload("v2", running.now), id="Dagain", order=Order("shop/copy.jar", "0B", running.now))
    )
    running.survey()
    running.end()
    assert running.application.previous and running.application.previous.release.label == "v1"


def test_no_host_flips_before_all_have_staged(house: House) -> None:
    house.meet(upload("v1", house.now))
    house.survey()
    house.end(result("i-0a"), result("i-0b", None))
    assert [step for _, step, _ in house.commanded] == ["stage"]
    assert house.current.phase is Phase.STAGING


def test_one_host_that_fails_to_stage_fails_the_deployment_and_moves_no_traffic(running: House) -> None:
    running.meet(upload("v3", running.now))
    running.survey()
    running.end(result("i-0a"), result("i-0b", False, reason="died"))
    failure = running.recorded["Dv3"].failure
    assert running.outcomes()["Dv3"] is Outcome.FAILED
    assert failure and (failure.host, failure.phase, failure.reason) == ("i-0b", Phase.STAGING, "died")
    assert ("Dv3", "flip", 3) not in running.commanded
    assert running.application.live and running.application.live.release.label == "v2"


def test_hosts_with_different_bytes_do_not_flip(house: House) -> None:
    house.meet(upload("v1", house.now))
    house.survey()
    house.end(result("i-0a", sha256="aa" * 32), result("i-0b", sha256="bb" * 32))
    assert house.outcomes() == {"Dv1": Outcome.FAILED}
    failure = house.recorded["Dv1"].failure
    assert failure and "different bytes" in failure.reason


def test_the_digest_that_hosts_computed_belongs_to_the_release(house: House) -> None:
    house.meet(upload("v1", house.now))
    house.survey()
    house.end(*(result(host, sha256="aa" * 32) for host in HOSTS))
    assert house.application.live and house.application.live.release.sha256 == "aa" * 32


@pytest.mark.parametrize("phase", ["flip", "bake"])
def test_one_host_that_fails_after_the_flip_takes_all_back_under_a_higher_fence(
    running: House, phase: str
) -> None:
    running.meet(upload("v3", running.now))
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


def test_a_host_that_fails_the_bake_is_not_waited_for_by_the_others(running: House) -> None:
    running.meet(upload("v3", running.now))
    running.survey()
    running.end()
    running.end()
    running.end(result("i-0a", None), result("i-0b", False))
    assert running.current.phase is Phase.REVERTING


def test_going_back_is_tried_three_times_and_then_says_who_did_not_confirm(running: House) -> None:
    running.meet(upload("v3", running.now))
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


def test_a_first_release_that_fails_its_bake_stays_for_want_of_another(house: House) -> None:
    house.meet(upload("v1", house.now))
    house.survey()
    house.end()
    house.end()
    house.end(result("i-0a", False))
    assert house.outcomes() == {"Dv1": Outcome.FAILED}
    assert house.application.live and house.application.live.release.label == "v1"


def test_a_deployment_starts_from_what_the_hosts_serve_when_somebody_flipped_them_by_hand(
    running: House,
) -> None:
    two, one = running.application.live, running.application.previous
    assert two and one
    running.application = replace(
        running.application,
        live=replace(two, release=replace(two.release, sha256="22" * 32)),
        previous=replace(one, release=replace(one.release, sha256="11" * 32)),
    )
    running.meet(upload("v3", running.now))
    running.survey()
    served = tuple(result(host, sha256="11" * 32) for host in HOSTS)
    staged = tuple(
        replace(told, report=replace(told.report, sha256="33" * 32)) for told in served if told.report
    )
    running.end(*staged)
    assert running.current.live_before and running.current.live_before.release.label == "v1"
    assert any(isinstance(act, Warn) for act in running.application.outbox)


def test_the_newest_upload_waits_and_older_waiting_ones_are_superseded(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.meet(upload("v2", 2.0))
    house.meet(upload("v3", 3.0))
    assert house.outcomes() == {"Dv2": Outcome.SUPERSEDED}
    assert house.application.waiting and house.application.waiting.id == "Dv3"
    house.survey()
    house.end(result("i-0a", False))
    assert house.current.id == "Dv3"


def test_an_upload_whose_event_comes_late_is_superseded_by_the_newer_one(house: House) -> None:
    house.meet(upload("v2", 2.0))
    house.meet(upload("v1", 1.0))
    assert house.outcomes() == {"Dv1": Outcome.SUPERSEDED}
    assert house.current.id == "Dv2"


def test_uploads_of_one_key_are_ordered_by_their_sequencers_not_their_times(house: House) -> None:
    newer = replace(upload("v1", 5.0), id="Dnewer", order=Order("shop/a.jar", "0100", 5.0))
    older = replace(upload("v1", 9.0), id="Dolder", order=Order("shop/a.jar", "FF", 9.0))
    house.meet(newer)
    house.meet(older)
    assert house.outcomes() == {"Dolder": Outcome.SUPERSEDED}


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_keys_in_one_second_the_same_one_wins_whichever_event_came_first(
    house: House, reverse: bool
) -> None:
    older = replace(upload("v1", 5.0), order=Order("shop/b.jar", "0A1", 5.0))
    newer = replace(upload("v2", 5.0), order=Order("shop/a.jar", "0A2", 5.0))
    for event in (newer, older) if reverse else (older, newer):
        house.meet(event)
    newest = house.application.newest
    assert newest and newest.key == "shop/a.jar"


def test_the_same_event_twice_is_one_deployment(house: House) -> None:
    house.meet(upload("v1", 1.0))
    before = house.application
    decision = house.meet(upload("v1", 1.0))
    assert decision.application == before and not decision.acts


def test_a_refused_upload_is_announced_and_disturbs_nothing(house: House) -> None:
    house.meet(upload("v1", 1.0))
    current = house.current
    house.meet(UploadRefused("Dbad", "shop", Order("shop/x.jar", "0B", 3.0), "ann", "shop/x.jar", "no zip"))
    assert house.outcomes() == {"Dbad": Outcome.REFUSED}
    assert house.current == current


def test_a_rollback_makes_the_previous_release_live(running: House) -> None:
    running.meet(RollbackAsked("Dback", "shop", running.now, "ann"))
    assert running.current.release == jar("v1")
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.application.live and running.application.live.release.label == "v1"
    assert running.application.previous and running.application.previous.release.label == "v2"


def test_a_rollback_ends_what_is_under_way_and_what_waits(running: House) -> None:
    running.meet(upload("v3", running.now))
    running.meet(upload("v4", running.now))
    running.meet(RollbackAsked("Dback", "shop", running.now + 1, "ann"))
    assert running.outcomes()["Dv3"] is Outcome.CANCELLED
    assert running.outcomes()["Dv4"] is Outcome.CANCELLED
    assert running.current.id == "Dback" and running.current.fence == 4


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_rollback_after_the_flip_was_commanded_goes_to_what_was_live_before(
    running: House, steps: int
) -> None:
    running.meet(upload("v3", running.now))
    running.survey()
    for _ in range(min(steps, 2)):
        running.end()
    if steps == 3:
        running.end(result("i-0a", False))
        assert running.current.phase is Phase.REVERTING
    running.meet(RollbackAsked("Dback", "shop", running.now + 1, "ann"))
    assert running.current.release == jar("v2")


def test_a_rollback_stands_over_what_was_uploaded_before_it(running: House) -> None:
    uploaded = running.now
    running.meet(RollbackAsked("Dback", "shop", running.now + 5, "ann"))
    running.meet(upload("v3", uploaded))
    assert running.outcomes()["Dv3"] is Outcome.SUPERSEDED


def test_a_rollback_to_a_named_release_deploys_that_one(running: House) -> None:
    earlier = Live(jar("v0"), "Dv0", 1.0)
    running.meet(RollbackAsked("Dback", "shop", running.now, "ann", earlier))
    assert running.current.release == jar("v0")


def test_a_rollback_without_an_earlier_release_is_an_error_that_changes_nothing(house: House) -> None:
    house.deploy("v1")
    with pytest.raises(NothingToRollBackTo, match="shop: no release was live before"):
        house.meet(RollbackAsked("Dback", "shop", house.now, "ann"))


def test_an_app_without_hosts_is_refused_before_any_host_is_touched(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.survey(())
    assert house.outcomes() == {"Dv1": Outcome.REFUSED}
    assert house.commanded == []
    failure = house.recorded["Dv1"].failure
    assert failure and "twinslot=shop" in failure.reason


def test_a_host_whose_agent_is_gone_refuses_an_upload(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.survey(("i-0a",), offline=(HostResult("i-0b", False, "its agent was last heard of at noon"),))
    failure = house.recorded["Dv1"].failure
    assert house.outcomes() == {"Dv1": Outcome.REFUSED}
    assert failure and failure.host == "i-0b"


def test_a_host_whose_agent_is_gone_does_not_keep_the_others_from_a_rollback(running: House) -> None:
    running.meet(RollbackAsked("Dback", "shop", running.now, "ann"))
    running.survey(("i-0a",), offline=(HostResult("i-0b", False, "gone"),))
    assert running.current.hosts == ("i-0a",)
    assert running.current.unconfirmed == ("i-0b",)


def test_bad_settings_refuse_the_deployment(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.survey(refusal="bake_secs: no such setting")
    assert house.outcomes() == {"Dv1": Outcome.REFUSED}


def test_a_refused_deployment_makes_way_for_the_one_that_waits(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.meet(upload("v2", 2.0))
    house.survey(())
    assert house.current.id == "Dv2"


def test_a_host_that_is_silent_past_the_deadline_has_failed(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.survey()
    house.end(result("i-0a"), result("i-0b", None), after=allowed_seconds("stage", Settings()) + 2)
    failure = house.recorded["Dv1"].failure
    assert house.outcomes() == {"Dv1": Outcome.FAILED}
    assert failure and failure.host == "i-0b"


def test_a_command_that_ssm_refuses_fails_its_step(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.survey()
    house.meet(CommandFailed("Dv1/stage", "Dv1", "stage", "no such document"))
    assert house.outcomes() == {"Dv1": Outcome.FAILED}


def test_a_command_that_was_never_sent_fails_at_its_deadline(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.survey()
    house.meet(Tick(), after=allowed_seconds("stage", Settings()) + 1)
    assert house.outcomes() == {"Dv1": Outcome.FAILED}
    assert not any(isinstance(act, SendCommand) for act in house.application.outbox)


def test_a_look_up_of_hosts_that_never_answers_ends_the_deployment(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.meet(Tick(), after=SURVEY_SECONDS + 1)
    assert house.outcomes() == {"Dv1": Outcome.FAILED}


def test_the_end_of_a_command_of_before_changes_nothing(house: House) -> None:
    house.meet(upload("v1", 1.0))
    house.survey()
    stage = house.send()
    house.meet(CommandEnded(stage, tuple(result(host) for host in HOSTS)))
    before = house.application
    assert house.meet(CommandEnded(stage, (result("i-0a", False),))).application == before


def test_an_act_stays_in_the_outbox_until_its_answer_comes(house: House) -> None:
    house.deploy("v1")
    (announce,) = house.application.outbox
    assert isinstance(announce, Announce)
    house.meet(Announced(announce.id))
    assert house.application.outbox == ()
    assert not house.application.busy


def test_a_tick_repeats_an_act_only_when_its_lease_is_over(house: House) -> None:
    house.meet(upload("v1", 1.0))
    assert house.meet(Tick(), after=LEASE_SECONDS - 1).acts == ()
    (survey,) = house.meet(Tick(), after=1).acts
    assert survey.id == "Dv1/survey"
    assert house.meet(Tick(), after=1).acts == ()


def test_a_start_is_told_after_the_hosts_were_commanded_to_stage(house: House) -> None:
    house.meet(upload("v1", house.now))
    assert house.told == []
    decision = house.survey()
    assert [act.id for act in decision.acts] == ["Dv1/stage", "Dv1/started"]
    (start,) = house.told
    assert isinstance(start, AnnounceStart)
    assert (start.deployment.hosts, start.deployment.outcome, start.live) == (HOSTS, None, None)


def test_a_start_that_could_not_be_told_stays_until_it_is(running: House) -> None:
    running.meet(upload("v3", running.now))
    running.survey()
    running.end()
    decision = running.meet(Tick(), after=LEASE_SECONDS)
    assert "Dv3/started" in [act.id for act in decision.acts]
    running.meet(Announced("Dv3/started"))
    assert "Dv3/started" not in [act.id for act in running.application.outbox]


def test_a_start_is_not_told_after_the_end(house: House) -> None:
    house.meet(upload("v1", house.now))
    house.survey()
    house.end(result("i-0a", False))
    assert [act.id for act in house.application.outbox] == ["Dv1/announce"]


def test_a_deployment_that_cannot_begin_has_no_start_to_tell(house: House) -> None:
    house.meet(upload("v1", house.now))
    house.survey((), refusal="bad settings")
    assert house.told == []


def hold(why: str = "the database is moved") -> HoldAsked:
    return HoldAsked("ann", why)


def test_while_it_is_held_the_newest_upload_waits_and_the_older_one_is_superseded(running: House) -> None:
    running.meet(hold())
    running.meet(upload("v3", running.now))
    running.meet(upload("v4", running.now + 1))
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv4"
    assert running.outcomes()["Dv3"] is Outcome.SUPERSEDED


def test_the_clock_does_not_look_after_what_is_held_back(running: House) -> None:
    running.meet(hold())
    running.meet(upload("v3", running.now))
    for act in running.application.outbox:
        running.meet(Announced(act.id))
    assert not running.application.busy
    assert running.meet(Tick()).acts == ()


def test_what_stages_when_it_is_held_goes_on_and_what_waits_does_not_follow(running: House) -> None:
    running.meet(upload("v3", running.now))
    running.meet(hold())
    running.meet(upload("v4", running.now + 1))
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.outcomes()["Dv3"] is Outcome.LIVE
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv4"


def test_resuming_begins_what_waits(running: House) -> None:
    running.meet(hold())
    running.meet(upload("v3", running.now))
    running.meet(ResumeAsked("bob"))
    assert running.current.id == "Dv3"
    assert running.application.hold is None
    held, resumed = running.told[-2:]
    assert isinstance(held, AnnounceHold) and isinstance(resumed, AnnounceHold)
    assert (held.held, held.by, held.why, held.waiting) == (True, "ann", "the database is moved", None)
    assert (resumed.held, resumed.by, resumed.why, resumed.waiting) == (
        False,
        "bob",
        "the database is moved",
        "v3",
    )


def test_a_rollback_is_not_held_back(running: House) -> None:
    running.meet(hold())
    running.meet(upload("v3", running.now))
    running.meet(RollbackAsked("Drollback", "shop", running.now, "ann"))
    assert running.current.id == "Drollback"
    assert running.outcomes()["Dv3"] is Outcome.CANCELLED


def test_an_upload_that_comes_during_a_rollback_waits_for_the_end_of_the_hold(running: House) -> None:
    running.meet(hold())
    running.meet(RollbackAsked("Drollback", "shop", running.now, "ann"))
    running.meet(upload("v3", running.now + 1))
    running.survey()
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert running.application.current is None
    assert running.application.waiting and running.application.waiting.id == "Dv3"


def test_asking_for_the_same_twice_changes_nothing(running: House) -> None:
    running.meet(hold())
    held = running.application
    assert running.meet(hold()).application == held
    running.meet(ResumeAsked("bob"))
    resumed = running.application
    assert running.meet(ResumeAsked("bob")).application == resumed


def test_another_reason_is_told_and_the_hold_keeps_its_beginning(running: House) -> None:
    running.meet(hold())
    assert running.application.hold
    since = running.application.hold.since
    running.meet(hold("and the network, too"))
    assert running.application.hold == Hold("ann", "and the network, too", since)
    assert len({act.id for act in running.told if isinstance(act, AnnounceHold)}) == 2


@pytest.mark.parametrize("asked", [HoldAsked("ann", "typo"), ResumeAsked("ann")])
def test_an_app_that_nobody_ever_heard_of_is_not_held(house: House, asked: HoldAsked | ResumeAsked) -> None:
    with pytest.raises(UnknownApp, match="shop"):
        house.meet(asked)


LIVE_SHA = "aa" * 32


def fresh(host: str) -> HostResult:
    """What a host says that was prepared and never had a release."""
    empty = SlotReport(None, None, "inactive", False, 0)
    slots = {"blue": empty, "green": empty}
    report = HostReport(host, "shop", "report", "report", "", 0, True, "", (), None, False, slots, None, {})
    return HostResult(host, True, "", (), report)


def staged(host: str, sha256: str, ok: bool = True) -> HostResult:
    """What a fresh host says at the end of its first stage."""
    slots = {"green": SlotReport(sha256, "some", "active", ok, 7)}
    report = HostReport(host, "shop", "stage", "stage", "D", 1, ok, "", (), None, False, slots, sha256, {})
    return HostResult(host, ok, "" if ok else "it died", (), report)


def inspected(*results: HostResult, known: tuple[str, ...] = (*HOSTS, "i-0c", "i-0d")) -> Inspected:
    return Inspected(results, known)


def join(house: House, *hosts: str) -> str:
    """A join of these hosts begins; its id."""
    house.meet(inspected(*(fresh(host) for host in hosts)))
    assert (house.current.kind, house.current.hosts) == (Kind.JOIN, hosts)
    return house.current.id


ALL = (*HOSTS, "i-0c", "i-0d")


def test_a_host_without_a_release_gets_the_live_one_alone_and_moves_nothing_else(running: House) -> None:
    before = running.application
    id = join(running, "i-0c")
    assert running.current.release and before.live
    assert running.current.release == before.live.release
    running.survey(ALL)
    assert running.current.hosts == ("i-0c",)
    for step in ("stage", "flip", "bake"):
        assert (id, step, 3) == running.commanded[-1]
        running.end(result("i-0c", sha256=LIVE_SHA))
    after = running.application
    assert running.outcomes()[id] is Outcome.LIVE
    assert (after.live, after.previous, after.newest) == (before.live, before.previous, before.newest)
    assert (after.newcomers, after.unjoined, after.drift) == ((), (), ())


def test_a_host_without_a_release_is_no_drift(running: House) -> None:
    decision = running.meet(inspected(fresh("i-0c")))
    assert not [act for act in decision.acts if isinstance(act, Warn)]


def test_several_new_hosts_join_together(running: House) -> None:
    id = join(running, "i-0c", "i-0d")
    running.survey(ALL)
    for _ in ("stage", "flip", "bake"):
        running.end(result("i-0c"), result("i-0d"))
    assert running.outcomes()[id] is Outcome.LIVE
    assert running.application.current is None


def test_more_new_hosts_than_a_command_can_name_join_one_lot_after_the_other(running: House) -> None:
    hosts = tuple(f"i-{number:08x}" for number in range(MOST_JOINING + 3))
    running.meet(inspected(*(fresh(host) for host in hosts), known=(*HOSTS, *hosts)))
    assert running.current.hosts == hosts[:MOST_JOINING]
    running.survey((*HOSTS, *hosts))
    for _ in ("stage", "flip", "bake"):
        running.end(*(result(host) for host in running.current.hosts))
    assert running.current.hosts == hosts[MOST_JOINING:]


@pytest.mark.parametrize("fails_at", ["stage", "flip", "bake"])
def test_a_host_that_fails_to_join_touches_nothing_and_the_others_join_without_it(
    running: House, fails_at: str
) -> None:
    before = running.application
    id = join(running, "i-0c", "i-0d")
    running.survey(ALL)
    for step in ("stage", "flip", "bake"):
        if step == fails_at:
            running.end(result("i-0c"), result("i-0d", False, reason="no room"))
            break
        running.end(result("i-0c"), result("i-0d"))
    failure = running.recorded[id].failure
    assert running.outcomes()[id] is Outcome.FAILED
    assert failure and (failure.host, failure.reason) == ("i-0d", "no room")
    assert running.recorded[id].unconfirmed == ("i-0d",)
    assert (running.application.live, running.application.previous) == (before.live, before.previous)
    assert (running.current.kind, running.current.hosts) == (Kind.JOIN, ("i-0c",))
    assert running.current.id != id
    assert running.current.fence > running.recorded[id].fence


def test_a_host_whose_join_failed_is_told_of_once_and_not_tried_again_while_the_same_release_is_live(
    running: House,
) -> None:
    join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", False))
    assert running.application.current is None
    for _ in range(3):
        decision = running.meet(inspected(fresh("i-0c")))
        assert decision.acts == ()
    assert running.application.unjoined == ("i-0c",)


def test_it_is_tried_again_with_the_next_live_release_if_it_still_holds_none(running: House) -> None:
    join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", False))
    running.deploy("v3")
    join(running, "i-0c")
    assert running.current.release and running.current.release.label == "v3"


def test_an_upload_waits_for_the_end_of_a_join_and_a_rollback_ends_it(running: House) -> None:
    id = join(running, "i-0c")
    running.meet(upload("v3", running.now))
    assert running.current.id == id
    running.meet(RollbackAsked("Drollback", "shop", running.now, "ann"))
    assert running.outcomes()[id] is Outcome.CANCELLED
    assert running.current.id == "Drollback"
    running.survey((*HOSTS, "i-0c"))
    for _ in ("stage", "flip", "bake"):
        running.end(*(result(host) for host in running.current.hosts))
    assert running.application.newcomers == ()
    assert running.application.current is None


def test_a_host_that_appears_during_a_deployment_that_it_is_no_part_of_joins_afterwards(
    running: House,
) -> None:
    running.meet(upload("v3", running.now))
    running.survey()
    running.meet(inspected(fresh("i-0c")))
    assert running.current.id == "Dv3"
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert (running.current.kind, running.current.hosts) == (Kind.JOIN, ("i-0c",))
    assert running.current.release and running.current.release.label == "v3"


def test_a_new_host_that_an_upload_finds_is_simply_among_its_hosts(running: House) -> None:
    running.meet(upload("v3", running.now))
    running.survey((*HOSTS, "i-0c"))
    decision = running.end(*(result(host, sha256=LIVE_SHA) for host in HOSTS), staged("i-0c", LIVE_SHA))
    assert not [act for act in decision.acts if isinstance(act, Warn)]
    for _ in ("flip", "bake"):
        running.end(*(result(host, sha256=LIVE_SHA) for host in running.current.hosts))
    assert running.outcomes()["Dv3"] is Outcome.LIVE
    assert (running.application.current, running.application.newcomers) == (None, ())


def test_a_new_host_on_which_an_upload_failed_gets_what_is_still_live(running: House) -> None:
    running.meet(upload("v3", running.now))
    running.survey((*HOSTS, "i-0c"))
    running.end(*(result(host) for host in HOSTS), staged("i-0c", LIVE_SHA, ok=False))
    assert running.outcomes()["Dv3"] is Outcome.FAILED
    assert (running.current.kind, running.current.hosts) == (Kind.JOIN, ("i-0c",))
    assert running.current.release and running.current.release.label == "v2"


def test_a_new_host_that_dies_before_its_join_stages_is_told_and_the_others_join(running: House) -> None:
    id = join(running, "i-0c", "i-0d")
    running.survey((*HOSTS, "i-0d"))
    failure = running.recorded[id].failure
    assert running.outcomes()[id] is Outcome.REFUSED
    assert failure and failure.host == "i-0c" and "gone" in failure.reason
    assert running.current.hosts == ("i-0d",)


def test_a_new_host_that_falls_silent_while_it_joins_has_failed_by_the_deadline(running: House) -> None:
    id = join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", None), after=10_000)
    assert running.outcomes()[id] is Outcome.FAILED
    assert running.application.current is None


def test_a_host_that_is_gone_is_forgotten(running: House) -> None:
    join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", False))
    running.meet(inspected(known=HOSTS))
    assert running.application.unjoined == ()


def test_bad_settings_refuse_a_join_once(running: House) -> None:
    id = join(running, "i-0c")
    running.survey((), refusal="bake_seconds is no number")
    assert running.outcomes()[id] is Outcome.REFUSED
    assert running.meet(inspected(fresh("i-0c"))).acts == ()


def test_a_join_whose_survey_never_comes_ends_and_is_not_begun_again(running: House) -> None:
    id = join(running, "i-0c")
    running.meet(Tick(), after=SURVEY_SECONDS + 1)
    assert running.outcomes()[id] is Outcome.FAILED
    assert running.application.current is None


def test_a_join_is_not_held_back(running: House) -> None:
    running.meet(hold())
    running.meet(upload("v3", running.now))
    join(running, "i-0c")


def test_without_a_live_release_nobody_joins(house: House) -> None:
    house.meet(inspected(fresh("i-0c")))
    assert house.application.current is None
    assert house.application.newcomers == ()


def test_while_a_deployment_is_under_way_no_report_makes_a_newcomer_forgotten(running: House) -> None:
    id = join(running, "i-0c", "i-0d")
    running.meet(inspected(result("i-0c", sha256=LIVE_SHA)))
    assert running.current.id == id
    assert running.application.newcomers == ("i-0c", "i-0d")
