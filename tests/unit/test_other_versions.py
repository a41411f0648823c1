"""State of another version of twinslot is read as far as possible and saved without loss."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.aws import codec
from twinslot.domain.events import (
    CommandEnded,
    HostsReported,
    RollbackRequested,
    ScheduledCheck,
    UnfreezeRequested,
)
from twinslot.domain.lifecycle import decide
from twinslot.domain.model import (
    Announce,
    AnnounceFreeze,
    Application,
    Deployment,
    Freeze,
    HostResult,
    Kind,
    Live,
    Outcome,
    Phase,
    Release,
    SendCommand,
    Settings,
    Survey,
    UnknownAct,
    written_by,
)
from twinslot.errors import OtherVersion
from twinslot.shared.constants import VERSION

from tests.unit.lifecycle_driver import HOSTS, LifecycleDriver, result, upload

OLD_STATE = json.loads((Path(__file__).parent / "old_state.json").read_text())
"""An item that the version before 0.1.0 wrote, when a freeze was still called a hold."""

PAINT = {"M": {"act": {"S": "Paint"}, "id": {"S": "shop/paint"}, "at": {"N": "9.5"}, "colour": {"S": "red"}}}
"""An act of a later version, without the version that wrote it."""

VALUES: list[Any] = [{"S": "red"}, {"NULL": True}, {"M": {"x": {"N": "1"}}}]
Item = dict[str, Any]


@cache
def busy() -> Application:
    """An app with releases, a deployment under way, one that waits, a freeze and acts."""
    driver = LifecycleDriver()
    driver.deploy("1.0.0")
    driver.deploy("1.1.0")
    driver.receive(upload("1.2.0", driver.now))
    driver.survey()
    driver.send()
    driver.receive(upload("1.3.0", driver.now))
    return replace(driver.application, freeze=Freeze("ann", "stock-taking", 5.0), version=3)


def stored(application: Application) -> Item:
    return {"pk": {"S": "APP#shop"}, "sk": {"S": "STATE"}, **codec.encode_fields(application)}


def read(item: Item) -> Application:
    return codec.decode_fields(Application, item)


def probing(kind: str = "upload", phase: str = "probing", version: str | None = "0.2.0") -> Application:
    """The busy app, its deployment in a phase or of a kind of a later version."""
    item = stored(busy())
    current = item["current"]["M"]
    current |= {"phase": {"S": phase}, "kind": {"S": kind}, "written_by": {"S": version or ""}}
    return read(item)


def maps(attribute: Any) -> Iterator[Item]:
    """Every map of an item, the item itself first. Acts are left out."""
    if "act" in attribute:
        return
    yield attribute
    for value in attribute.values():
        for inner in value.get("L", [value]):
            if "M" in inner:
                yield from maps(inner["M"])


def test_an_item_from_before_0_1_0_is_read_with_its_old_names() -> None:
    application = read(OLD_STATE)
    assert application.freeze == Freeze("ann", "stock-taking", 5.0)
    assert application.version == 41
    assert application.current and application.current.settings == Settings(
        bake_seconds=5, java_options=("-Xmx1g",)
    )
    assert [type(act).__name__ for act in application.outbox] == [
        "Survey",
        "SendCommand",
        "AnnounceStart",
        "Announce",
        "AnnounceFreeze",
        "Warn",
    ]
    freeze = application.outbox[4]
    assert isinstance(freeze, AnnounceFreeze) and freeze.frozen and freeze.why == "stock-taking"
    assert application.unreadable == ()
    assert read(stored(application)) == application


def test_every_saved_act_and_deployment_names_its_version() -> None:
    item = stored(busy())
    assert item["current"]["M"]["written_by"] == item["waiting"]["M"]["written_by"] == {"S": VERSION}
    assert {act["M"]["written_by"]["S"] for act in item["outbox"]["L"]} <= {VERSION}


@settings(max_examples=50)
@given(st.data())
def test_unknown_fields_change_nothing_and_are_saved_again(data: st.DataObject) -> None:
    item = stored(busy())
    places = list(maps(item))
    for place in data.draw(st.lists(st.sampled_from(range(len(places))), min_size=1, max_size=5)):
        name = data.draw(st.from_regex(r"[a-z]{3,8}_[a-z]{3,8}_of_a_later_version", fullmatch=True))
        places[place][name] = data.draw(st.sampled_from(VALUES))
    application = read(copy.deepcopy(item))
    assert application == busy()
    assert stored(application) == item
    # What a decision leaves as it is keeps its unknown fields, whatever else it changes.
    checked = decide(application, HostsReported((), HOSTS), 5_000.0).application
    assert stored(checked)["live"] == item["live"]
    assert {name for name in item if name not in stored(checked)} == set()


@settings(max_examples=50)
@given(
    st.sampled_from(["phase", "kind", "outcome"]),
    st.from_regex(r"[a-z]{1,12}", fullmatch=True),
    st.sampled_from(["current", "waiting"]),
)
def test_an_unknown_word_is_read_saved_and_cancelled_by_a_rollback(field: str, word: str, where: str) -> None:
    item = stored(busy())
    item[where]["M"][field] = {"S": word}
    application = read(copy.deepcopy(item))
    assert stored(application) == item
    decision = decide(application, RollbackRequested("R1", "shop", 9_000.0, "ann"), 9_000.0)
    assert decision.application.current and decision.application.current.id == "R1"
    assert decision.application.current.known
    cancelled = {act.deployment.id for act in decision.acts if isinstance(act, Announce)}
    assert cancelled == {each.id for each in (application.current, application.waiting) if each}
    assert read(stored(decision.application)) == decision.application


def test_an_unknown_act_stays_in_the_outbox_and_is_not_performed() -> None:
    item = stored(busy())
    item["outbox"]["L"].append(PAINT)
    application = read(item)
    paint = application.outbox[-1]
    assert isinstance(paint, UnknownAct) and paint not in application.acts
    assert application.unreadable == (f"act shop/paint: {written_by('')}",)
    decision = decide(application, ScheduledCheck(), 10_000.0)
    assert paint in decision.application.outbox
    assert all(act.id != "shop/paint" for act in decision.acts)
    kept = stored(decision.application)["outbox"]["L"][-1]["M"]
    assert {name: kept[name] for name in PAINT["M"]} == PAINT["M"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("outcome", {"S": "HALF_LIVE"}), ("kind", {"S": "canary"}), ("phase", {"S": "probing"})],
)
def test_an_announcement_with_an_unknown_word_is_left_to_the_version_that_knows_it(
    field: str, value: Item
) -> None:
    driver = LifecycleDriver()
    driver.deploy("1.0.0")
    item = stored(driver.application)
    announce = next(act["M"] for act in item["outbox"]["L"] if act["M"]["act"] == {"S": "Announce"})
    announce["deployment"]["M"][field] = value
    announce["written_by"] = {"S": "0.2.0"}
    application = read(copy.deepcopy(item))
    assert [type(act) for act in application.outbox if act.id == announce["id"]["S"]] == [UnknownAct]
    assert stored(application)["outbox"] == item["outbox"]


def test_an_act_of_this_version_in_another_shape_is_kept_as_it_is() -> None:
    item = stored(Application("shop", outbox=(Survey("a", 1.0, "D"),)))
    item["outbox"]["L"][0]["M"]["deployment"] = {"L": []}
    del item["outbox"]["L"][0]["M"]["id"]
    application = read(copy.deepcopy(item))
    assert isinstance(application.outbox[0], UnknownAct)
    kept = stored(application)["outbox"]["L"][0]["M"]
    assert kept["deployment"] == {"L": []}
    assert kept["act"] == {"S": "Survey"}


@pytest.mark.parametrize("kind_and_phase", [("upload", "probing"), ("canary", "staging")])
def test_a_deployment_of_another_version_is_not_continued_and_the_error_names_both(
    kind_and_phase: tuple[str, str],
) -> None:
    application = probing(*kind_and_phase)
    assert application.current and application.current.step and application.current.step.command
    ended = CommandEnded(application.current.step.command, tuple(result(host) for host in HOSTS))
    with pytest.raises(OtherVersion, match=f"written by twinslot 0.2.0, this is {VERSION}; .*or roll back"):
        decide(application, ended, 2_000.0)
    failed = replace(ended, results=(HostResult("i-0a", False, "no"),))
    with pytest.raises(OtherVersion):
        decide(application, failed, 2_000.0)


def test_the_scheduled_check_leaves_a_deployment_of_another_version_alone_and_repeats_acts() -> None:
    driver = LifecycleDriver()
    driver.deploy("1.0.0")
    driver.receive(upload("1.1.0", driver.now))
    driver.survey()
    item = stored(driver.application)
    item["current"]["M"]["phase"] = {"S": "probing"}
    application = read(item)
    decision = decide(application, ScheduledCheck(), 100_000.0)
    assert decision.application.current == application.current
    assert [act.id for act in decision.acts] == [act.id for act in application.acts]
    assert any(isinstance(act, SendCommand) for act in decision.acts)


def test_uploads_are_accepted_behind_a_deployment_of_another_version() -> None:
    application = probing()
    decision = decide(application, upload("1.4.0", 9_000.0), 9_000.0)
    assert decision.application.waiting and decision.application.waiting.id == "D1.4.0"
    assert decision.application.current == application.current


def test_a_waiting_deployment_of_another_version_is_not_begun() -> None:
    item = stored(replace(busy(), current=None))
    item["waiting"]["M"]["kind"] = {"S": "canary"}
    decision = decide(read(item), UnfreezeRequested("ann"), 9_000.0)
    assert decision.application.current is None
    assert decision.application.waiting
    assert decision.application.busy


def test_the_note_of_a_version_that_is_not_known_says_so() -> None:
    (note,) = probing(version=None).unreadable
    assert note.endswith(f"(upload, probing): written by an unknown version of twinslot, this is {VERSION}")


def test_a_word_of_another_version_has_a_value_and_no_member() -> None:
    phase = Phase.read("probing")
    assert (phase.value, str(phase), f"{phase}") == ("probing", "probing", "probing")
    assert phase == Phase.read("probing") and hash(phase) == hash(Phase.read("probing"))
    assert not phase.known and phase not in list(Phase)
    assert not (phase.working or phase.before_traffic or phase.has_step)
    with pytest.raises(ValueError, match="probing"):
        Phase("probing")


def test_each_known_word_is_read_as_its_member() -> None:
    for word in (*Phase, *Outcome, *Kind):
        assert type(word).read(word.value) is word
        assert word.known


def test_what_hosts_get_has_no_unknown_field() -> None:
    release = {**codec.encode_fields(Release("b", "shop/a.jar", "v", 1, "1")), "signature": {"S": "x"}}
    read_release = codec.decode_fields(Release, release)
    assert read_release.unknown == (("signature", {"S": "x"}),)
    live = Live(read_release, "D", 1.0)
    assert codec.encode_fields(live)["release"]["M"]["signature"] == {"S": "x"}


def test_a_deployment_keeps_its_unknown_fields_through_its_phases() -> None:
    item = stored(busy())
    item["current"]["M"]["weights"] = {"L": [{"N": "5"}]}
    driver = LifecycleDriver(read(item))
    driver.now = 2_000.0
    assert driver.current.step and driver.current.step.command
    driver.receive(CommandEnded(driver.current.step.command, tuple(result(host) for host in HOSTS)))
    assert driver.current.phase is Phase.FLIPPING
    assert codec.encode_fields(driver.current)["weights"] == {"L": [{"N": "5"}]}
    assert isinstance(driver.current, Deployment)


def test_an_unknown_setting_is_kept_beside_the_known_ones() -> None:
    item = stored(busy())
    item["current"]["M"]["settings"]["M"]["drain_seconds"] = {"N": "7"}
    application = read(copy.deepcopy(item))
    assert application.current and application.current.settings == Settings()
    assert stored(application) == item
