"""Deployments and rollbacks by the command line, and their status and history."""

import re
import time
from collections.abc import Callable

import pytest
from twinslot_cli.aws.stack import Stack

from tests.cli.conftest import Run, World

Twinslot = Callable[..., Run]
LIVE = r"LIVE after [0-9.]+ s\. It is live on all its hosts\. Live now: 1\.0\.0\."


def test_a_deployment_is_followed_until_it_is_live(world: World, twinslot: Twinslot) -> None:
    app = world.app()

    run = twinslot("deploy", str(world.jar("1.0.0")), "--app", app)

    assert (run.code, run.err) == (0, "")
    first, *followed = run.out.splitlines()
    place = re.escape(f"s3://{bucket(world)}/{app}/shop-1.0.0.jar")
    assert re.fullmatch(rf"uploading shop-1\.0\.0\.jar \([0-9,.]+ (bytes|kB)\) to {place}", first)
    phases = [line.partition(f"{app} 1.0.0: ")[2].split()[0] for line in followed[:-1]]
    assert phases == ["waiting", "staging", "flipping", "baking"]
    assert re.fullmatch(
        r"LIVE after [0-9.]+ s\. It is live on all its hosts\. Live now: 1\.0\.0\.", followed[-1]
    )


@pytest.mark.parametrize(("size", "caller"), [(0, "deployer/anna"), (20_000_000, "anna"), (0, "añna\u3042")])
def test_the_history_names_the_caller_of_an_upload(
    world: World, twinslot: Twinslot, monkeypatch: pytest.MonkeyPatch, size: int, caller: str
) -> None:
    app = world.app()
    monkeypatch.setattr(Stack, "caller", caller)

    assert twinslot("deploy", str(world.jar("1.0.0", size)), "--app", app).code == 0

    (told,) = twinslot("history", app, "--json").json["deployments"]
    assert told["by"] == caller.encode("ascii", "replace").decode()


def test_a_release_that_does_not_start_is_a_failure_with_its_cause(world: World, twinslot: Twinslot) -> None:
    app = world.app()
    twinslot("deploy", str(world.jar("1.0.0")), "--app", app)

    run = twinslot("deploy", str(world.jar("2.0.0-dies")), "--app", app)

    assert run.code == 1
    outcome, why = run.out.splitlines()[-2:]
    assert re.fullmatch(
        r"FAILED after [0-9.]+ s\. It did not go live, and no user saw it\. Live now: 1\.0\.0\.", outcome
    )
    assert re.fullmatch(r"Cause \(staging on i-[0-9a-f]+\): it does not start", why)


def test_a_release_that_turns_bad_is_a_failure_that_names_where_to_look(
    world: World, twinslot: Twinslot
) -> None:
    app = world.app()
    twinslot("deploy", str(world.jar("1.0.0")), "--app", app)

    run = twinslot("deploy", str(world.jar("2.0.0-bakes")), "--app", app)

    assert run.code == 1
    assert run.out.splitlines()[-1] == f"To see the journal of the failed release: twinslot logs {app} --idle"


def test_a_deployment_in_json_is_one_document(world: World, twinslot: Twinslot) -> None:
    app = world.app()

    run = twinslot("deploy", str(world.jar("1.0.0")), "--app", app, "--json")

    assert run.code == 0
    told = run.json["deployment"]
    assert (told["app"], told["label"], told["outcome"]) == (app, "1.0.0", "LIVE")
    assert list(told["seconds"]) == ["waiting", "staging", "flipping", "baking"]
    assert run.json["live"]["deployment"] == told["deployment"]


def test_a_rollback_is_followed_and_listed_in_the_history(world: World, twinslot: Twinslot) -> None:
    app = world.app()
    for label in ("1.0.0", "1.1.0"):
        twinslot("deploy", str(world.jar(label)), "--app", app)

    run = twinslot("rollback", app)

    assert run.code == 0
    assert re.fullmatch(
        r"LIVE after [0-9.]+ s\. It is live on all its hosts\. Live now: 1\.0\.0\.", run.out.splitlines()[-2]
    )
    assert run.out.splitlines()[-1] == f"To roll back to 1.1.0: twinslot rollback {app}"
    told = twinslot("history", app, "--json").json
    last, *uploads = [(each["kind"], each["label"], each["outcome"]) for each in told["deployments"]]
    assert last == ("rollback", "1.0.0", "LIVE")
    # S3's times are whole seconds: the order of two uploads in one second is not known.
    assert sorted(uploads) == [("upload", "1.0.0", "LIVE"), ("upload", "1.1.0", "LIVE")]


def test_history_shows_so_many_deployments_and_those_of_one_outcome(world: World, twinslot: Twinslot) -> None:
    app = world.app()
    for label in ("1.0.0", "2.0.0-dies", "1.1.0"):
        twinslot("deploy", str(world.jar(label)), "--app", app)
        # S3's time of an upload is in whole seconds; the history is sorted by it.
        time.sleep(1)

    def labels(*options: str) -> list[str]:
        told = twinslot("history", app, "--json", *options).json
        return [each["label"] for each in told["deployments"]]

    assert labels() == ["1.1.0", "2.0.0-dies", "1.0.0"]
    assert labels("--limit", "2") == ["1.1.0", "2.0.0-dies"]
    assert labels("--outcome", "LIVE") == ["1.1.0", "1.0.0"]
    assert labels("--outcome", "failed", "--limit", "1") == ["2.0.0-dies"]
    assert len(twinslot("history", app, "--limit", "1").out.splitlines()) == 2
    none = twinslot("history", app, "--outcome", "REVERTED")
    assert (none.code, none.out) == (0, f"{app} has no deployment with the outcome REVERTED.\n")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--limit", "0"), "Invalid value for '--limit'"),
        (("--limit", "many"), "Invalid value for '--limit'"),
        (("--outcome", "DONE"), "Invalid value for '--outcome'"),
    ],
)
def test_history_refuses_invalid_options(twinslot: Twinslot, options: tuple[str, str], why: str) -> None:
    for more in ((), ("--json",)):
        run = twinslot("history", "shop", *options, *more)

        assert (run.code, run.out) == (2, "")
        assert why in run.err


def test_a_rollback_to_what_was_never_live_starts_nothing(world: World, twinslot: Twinslot) -> None:
    app = world.app()
    twinslot("deploy", str(world.jar("1.0.0")), "--app", app)

    run = twinslot("rollback", app, "--to", "9.9.9")

    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"twinslot: no rollback was started: {app}: no release '9.9.9' was ever live")


def test_status_shows_what_is_live_and_the_slots_of_each_host(world: World, twinslot: Twinslot) -> None:
    app = world.app(hosts=2)
    for label in ("1.0.0", "1.1.0"):
        twinslot("deploy", str(world.jar(label)), "--app", app)

    run = twinslot("status", app)

    assert run.code == 0
    first, before, *hosts = run.out.splitlines()
    assert re.match(rf"{app} +1\.1\.0  live since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(", first)
    assert before.split() == ["previous", "1.0.0"]
    assert len(hosts) == 2
    assert all("○ blue 1.0.0   ● green 1.1.0" in host for host in hosts)


def test_status_of_all_names_every_application(world: World, twinslot: Twinslot) -> None:
    apps = {world.app(), world.app()}
    for app in apps:
        twinslot("deploy", str(world.jar("1.0.0")), "--app", app)

    told = twinslot("status", "--json").json

    assert apps <= {each["app"] for each in told["apps"]}


def bucket(world: World) -> str:
    return world.aws.outputs["ArtifactBucket"]
