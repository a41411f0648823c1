"""A host that holds no release gets what is live, and nothing else changes."""

import pytest
from twinslot.domain.events import FreezeRequested, HostsReported, RollbackRequested, ScheduledCheck
from twinslot.domain.lifecycle import MAX_JOINING, SURVEY_SECONDS
from twinslot.domain.model import HostReport, HostResult, Kind, Outcome, SlotReport, Warn

from tests.unit.lifecycle_driver import HOSTS, LifecycleDriver, result, upload

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


def hosts_reported(*results: HostResult, known: tuple[str, ...] = (*HOSTS, "i-0c", "i-0d")) -> HostsReported:
    return HostsReported(results, known)


def join(driver: LifecycleDriver, *hosts: str) -> str:
    """A join of these hosts begins; its id."""
    driver.receive(hosts_reported(*(fresh(host) for host in hosts)))
    assert (driver.current.kind, driver.current.hosts) == (Kind.JOIN, hosts)
    return driver.current.id


ALL = (*HOSTS, "i-0c", "i-0d")


def test_a_host_without_a_release_gets_the_live_one_alone_and_moves_nothing_else(
    running: LifecycleDriver,
) -> None:
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


def test_a_host_without_a_release_is_no_drift(running: LifecycleDriver) -> None:
    decision = running.receive(hosts_reported(fresh("i-0c")))
    assert not [act for act in decision.acts if isinstance(act, Warn)]


def test_several_new_hosts_join_together(running: LifecycleDriver) -> None:
    id = join(running, "i-0c", "i-0d")
    running.survey(ALL)
    for _ in ("stage", "flip", "bake"):
        running.end(result("i-0c"), result("i-0d"))
    assert running.outcomes()[id] is Outcome.LIVE
    assert running.application.current is None


def test_more_new_hosts_than_a_command_can_name_join_one_lot_after_the_other(
    running: LifecycleDriver,
) -> None:
    hosts = tuple(f"i-{number:08x}" for number in range(MAX_JOINING + 3))
    running.receive(hosts_reported(*(fresh(host) for host in hosts), known=(*HOSTS, *hosts)))
    assert running.current.hosts == hosts[:MAX_JOINING]
    running.survey((*HOSTS, *hosts))
    for _ in ("stage", "flip", "bake"):
        running.end(*(result(host) for host in running.current.hosts))
    assert running.current.hosts == hosts[MAX_JOINING:]


@pytest.mark.parametrize("fails_at", ["stage", "flip", "bake"])
def test_a_host_that_fails_to_join_touches_nothing_and_the_others_join_without_it(
    running: LifecycleDriver, fails_at: str
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


def test_a_host_whose_join_failed_is_announced_once_and_not_tried_again_while_the_same_release_is_live(
    running: LifecycleDriver,
) -> None:
    join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", False))
    assert running.application.current is None
    for _ in range(3):
        decision = running.receive(hosts_reported(fresh("i-0c")))
        assert decision.acts == ()
    assert running.application.unjoined == ("i-0c",)


def test_it_is_tried_again_with_the_next_live_release_if_it_still_holds_none(
    running: LifecycleDriver,
) -> None:
    join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", False))
    running.deploy("v3")
    join(running, "i-0c")
    assert running.current.release and running.current.release.label == "v3"


def test_an_upload_waits_for_the_end_of_a_join_and_a_rollback_ends_it(running: LifecycleDriver) -> None:
    id = join(running, "i-0c")
    running.receive(upload("v3", running.now))
    assert running.current.id == id
    running.receive(RollbackRequested("Drollback", "shop", running.now, "ann"))
    assert running.outcomes()[id] is Outcome.CANCELLED
    assert running.current.id == "Drollback"
    running.survey((*HOSTS, "i-0c"))
    for _ in ("stage", "flip", "bake"):
        running.end(*(result(host) for host in running.current.hosts))
    assert running.application.newcomers == ()
    assert running.application.current is None


def test_a_host_that_appears_during_a_deployment_that_it_is_no_part_of_joins_afterwards(
    running: LifecycleDriver,
) -> None:
    running.receive(upload("v3", running.now))
    running.survey()
    running.receive(hosts_reported(fresh("i-0c")))
    assert running.current.id == "Dv3"
    for _ in ("stage", "flip", "bake"):
        running.end()
    assert (running.current.kind, running.current.hosts) == (Kind.JOIN, ("i-0c",))
    assert running.current.release and running.current.release.label == "v3"


def test_a_new_host_that_an_upload_finds_is_simply_among_its_hosts(running: LifecycleDriver) -> None:
    running.receive(upload("v3", running.now))
    running.survey((*HOSTS, "i-0c"))
    decision = running.end(*(result(host, sha256=LIVE_SHA) for host in HOSTS), staged("i-0c", LIVE_SHA))
    assert not [act for act in decision.acts if isinstance(act, Warn)]
    for _ in ("flip", "bake"):
        running.end(*(result(host, sha256=LIVE_SHA) for host in running.current.hosts))
    assert running.outcomes()["Dv3"] is Outcome.LIVE
    assert (running.application.current, running.application.newcomers) == (None, ())


def test_a_new_host_on_which_an_upload_failed_gets_what_is_still_live(running: LifecycleDriver) -> None:
    running.receive(upload("v3", running.now))
    running.survey((*HOSTS, "i-0c"))
    running.end(*(result(host) for host in HOSTS), staged("i-0c", LIVE_SHA, ok=False))
    assert running.outcomes()["Dv3"] is Outcome.FAILED
    assert (running.current.kind, running.current.hosts) == (Kind.JOIN, ("i-0c",))
    assert running.current.release and running.current.release.label == "v2"


def test_a_new_host_that_dies_before_its_join_stages_is_announced_and_the_others_join(
    running: LifecycleDriver,
) -> None:
    id = join(running, "i-0c", "i-0d")
    running.survey((*HOSTS, "i-0d"))
    failure = running.recorded[id].failure
    assert running.outcomes()[id] is Outcome.REFUSED
    assert failure and failure.host == "i-0c" and "no longer" in failure.reason
    assert running.current.hosts == ("i-0d",)


def test_a_new_host_that_falls_silent_while_it_joins_has_failed_by_the_deadline(
    running: LifecycleDriver,
) -> None:
    id = join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", None), after=10_000)
    assert running.outcomes()[id] is Outcome.FAILED
    assert running.application.current is None


def test_a_host_that_is_gone_is_forgotten(running: LifecycleDriver) -> None:
    join(running, "i-0c")
    running.survey(ALL)
    running.end(result("i-0c", False))
    running.receive(hosts_reported(known=HOSTS))
    assert running.application.unjoined == ()


def test_bad_settings_refuse_a_join_once(running: LifecycleDriver) -> None:
    id = join(running, "i-0c")
    running.survey((), refusal="bake_seconds is no number")
    assert running.outcomes()[id] is Outcome.REFUSED
    assert running.receive(hosts_reported(fresh("i-0c"))).acts == ()


def test_a_join_whose_survey_never_comes_ends_and_is_not_begun_again(running: LifecycleDriver) -> None:
    id = join(running, "i-0c")
    running.receive(ScheduledCheck(), after=SURVEY_SECONDS + 1)
    assert running.outcomes()[id] is Outcome.FAILED
    assert running.application.current is None


def test_a_join_is_not_kept_frozen(running: LifecycleDriver) -> None:
    running.receive(FreezeRequested("ann", "the database is moved"))
    running.receive(upload("v3", running.now))
    join(running, "i-0c")


def test_without_a_live_release_no_host_joins(driver: LifecycleDriver) -> None:
    driver.receive(hosts_reported(fresh("i-0c")))
    assert driver.application.current is None
    assert driver.application.newcomers == ()


def test_while_a_deployment_is_under_way_no_report_makes_a_newcomer_forgotten(
    running: LifecycleDriver,
) -> None:
    id = join(running, "i-0c", "i-0d")
    running.receive(hosts_reported(result("i-0c", sha256=LIVE_SHA)))
    assert running.current.id == id
    assert running.application.newcomers == ("i-0c", "i-0d")
