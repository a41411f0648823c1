"""stage, flip, bake and report on one host, one deployment after the other."""

import concurrent.futures
from collections.abc import Iterator

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import HostFixture, Release, host_on, jar


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaaa2") as host_fixture:
        yield host_fixture


@pytest.fixture
def live(host: HostFixture, v1: Release) -> Release:
    """1.0 is live, whatever was before."""
    if host.release() != "1.0":
        host.deploy(v1)
    return v1


def standing(host: HostFixture) -> tuple[str, bool, dict[str, tuple[str | None, bool]]]:
    """The live slot, whether there is a standby, and of each slot the release and whether it is verified."""
    report = host.go("report", fence=0)
    slots = {name: (slot["label"], slot["verified"]) for name, slot in report["slots"].items()}
    return report["live"], report["standby"], slots


def test_a_first_release_goes_live_on_a_bare_host(host: HostFixture, v1: Release) -> None:
    deployment = host.deployment()
    staged = host.go("stage", deployment=deployment, release={**v1, "sha256": None})
    assert staged["live"] is None
    assert staged["sha256"] == v1["sha256"]
    assert {"install", "download", "start"} <= set(staged["seconds"])
    assert host.get()[0] == 502
    assert host.go("flip", deployment=deployment, release=v1)["live"] == "green"
    assert host.release() == "1.0"
    baked = host.go("bake", deployment=deployment, release=v1, settings={"bake_seconds": 1})
    assert (baked["live"], baked["standby"]) == ("green", False)
    assert baked["slots"]["green"]["verified"]
    assert baked["slots"]["blue"]["state"] == "inactive"


def test_the_app_runs_as_a_user_of_its_own_and_cannot_write_the_system(
    host: HostFixture, live: Release
) -> None:
    pid = host.go("report", fence=0)["slots"]["green"]["pid"]
    assert host.shell(f"stat -c %U /proc/{pid}").strip() == "twinslot-shop"
    assert "NoNewPrivs:\t1" in host.shell(f"cat /proc/{pid}/status")
    mounts = host.shell(f"cat /proc/{pid}/mounts")
    assert any(line.split()[1] == "/" and "ro" in line.split()[3].split(",") for line in mounts.splitlines())
    own = "/var/lib/twinslot/shop/work"
    assert host.shell(f"readlink /proc/{pid}/cwd; stat -c %U:%a {own}") == f"{own}\ntwinslot-shop:750\n"


def test_staging_leaves_users_alone_and_a_flip_moves_them(
    host: HostFixture, live: Release, v2: Release
) -> None:
    deployment = host.deployment()
    staged = host.go("stage", deployment=deployment, release=v2)
    assert (host.release(), staged["live"], staged["standby"]) == ("1.0", "green", False)
    flipped = host.go("flip", deployment=deployment, release=v2)
    assert (host.release(), flipped["live"], flipped["standby"]) == ("2.0", "blue", True)
    baked = host.go("bake", deployment=deployment, release=v2, previous=live)
    assert (baked["live"], baked["standby"]) == ("blue", True)


def test_going_back_to_a_warm_slot_starts_nothing(host: HostFixture, v1: Release, v2: Release) -> None:
    host.make_live(v1)
    before = host.go("report", fence=0)["slots"]
    host.make_live(v2)
    reads = len(host.bucket.requests)
    staged = host.go("stage", deployment=host.deployment(), release=v1)
    assert staged["slots"] == {**staged["slots"], "green": before["green"]}
    assert "start" not in staged["seconds"]
    assert len(host.bucket.requests) == reads
    host.make_live(v1)
    assert standing(host)[2]["green"] == ("1.0", True)


def test_a_step_that_was_done_is_not_done_again(host: HostFixture, v1: Release, v2: Release) -> None:
    deployment = host.deployment()
    first = host.go("stage", deployment=deployment, release=v2)
    host.go("flip", deployment=deployment, release=v2)
    assert host.go("stage", deployment=deployment, release=v2) == first
    host.make_live(v1)
    assert host.go("flip", deployment=deployment, release=v2, fence=0)["live"] == "blue"
    assert host.release() == "1.0"


def test_a_command_with_a_lower_fence_is_refused(host: HostFixture, live: Release, v2: Release) -> None:
    host.deployment()
    host.go("stage", deployment=host.deployment(), release=v2)
    report = host.command("flip", deployment="01ARZ3NDEKTSV4RRFFQ69G5FZZ", release=v2, fence=host.fence - 1)
    assert not report["ok"]
    assert f"fence {host.fence - 1} is lower than {host.fence}" in report["reason"]
    assert host.release() == "1.0"


def test_a_verb_that_runs_gives_way_to_a_newer_deployment(
    host: HostFixture, live: Release, v2: Release
) -> None:
    slow = host.bucket.put(jar("1.9", "slow-start=30"))
    first, older = host.deployment(), host.fence
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(host.command, "stage", deployment=first, release=slow, fence=older)
        host.until(lambda: "1.9" in str(standing(host)))
        host.deploy(v2)
        report = running.result()
    assert not report["ok"]
    assert f"gave way to a newer command: fence {older + 1} over {older}" in report["reason"]
    assert host.release() == "2.0"


@pytest.mark.parametrize(
    ("faults", "reason", "log"),
    [
        ("dies-at-start", "ended", "fault dies-at-start"),
        ("never-healthy", "did not become healthy within 8 s: /actuator/health on port 808", "Started Shop"),
        ("other-port=9999", "nothing listens there: does the app use SERVER_PORT?", "port 9999"),
        ("slow-start=30", "no answer (Connection refused)", "Starting Shop"),
    ],
)
def test_a_start_that_fails_leaves_users_alone(
    host: HostFixture, live: Release, faults: str, reason: str, log: str
) -> None:
    bad = host.bucket.put(jar("6.6", faults))
    report = host.command("stage", deployment=host.deployment(), release=bad, settings={"start_seconds": 8})
    assert not report["ok"]
    assert reason in report["reason"]
    assert any(log in line for line in report["log"])
    assert host.release() == "1.0"
    label, idle = next((s["label"], s) for n, s in report["slots"].items() if n != report["live"])
    assert (label, idle["state"], idle["verified"], report["standby"]) == ("6.6", "inactive", False, False)


def test_what_never_came_up_is_not_flipped_to(host: HostFixture, live: Release) -> None:
    bad = host.bucket.put(jar("6.6", "dies-at-start"))
    deployment = host.deployment()
    assert not host.command("stage", deployment=deployment, release=bad)["ok"]
    assert not host.command("flip", deployment=deployment, release=bad)["ok"]
    assert host.release() == "1.0"


def test_a_stranger_on_the_idle_port_is_named(host: HostFixture, live: Release, v2: Release) -> None:
    slot = "blue" if standing(host)[0] == "green" else "green"
    port = {"blue": 8081, "green": 8082}[slot]
    host.shell(f"systemctl stop twinslot-shop@{slot}")
    serve = f"systemd-run --quiet --unit=stranger python3 -m http.server {port}"
    host.shell(f"{serve}; until ss -ltn | grep -q :{port}; do sleep 0.05; done")
    report = host.command("stage", deployment=host.deployment(), release=host.bucket.put(jar("2.5")))
    host.shell("systemctl stop stranger")
    assert not report["ok"]
    assert f"port {port} of the slot {slot} is taken by process" in report["reason"]
    assert "(python3)" in report["reason"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "it is not what was uploaded"),
        ({"size": 17, "sha256": None}, "and not 17"),
        ({"version": "gone", "sha256": None}, "404 NoSuchVersion"),
    ],
)
def test_another_jar_than_the_controller_saw_touches_no_slot(
    host: HostFixture, live: Release, changes: dict[str, object], reason: str
) -> None:
    release = host.bucket.put(jar("2.6")) | changes
    before = standing(host)
    report = host.command("stage", deployment=host.deployment(), release=release)
    assert not report["ok"]
    assert reason in report["reason"]
    assert standing(host) == before
    assert host.shell("ls -A /opt/twinslot/shop/releases | grep '^[.]' || true") == ""


def test_a_release_that_answers_5xx_in_its_bake_is_taken_back_at_once(
    host: HostFixture, live: Release
) -> None:
    bad = host.bucket.put(jar("6.7", "errors-after=live+1"))
    deployment, settings = host.deployment(), {"bake_seconds": 30}
    host.go("stage", deployment=deployment, release=bad)
    host.go("flip", deployment=deployment, release=bad)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        given = {"deployment": deployment, "release": bad, "previous": live, "settings": settings}
        baking = pool.submit(host.command, "bake", **given)
        host.until(lambda: host.get()[0] == 200 and host.release() == "1.0")
        report = baking.result()
    assert not report["ok"]
    assert "requests ended as 5xx" in report["reason"]
    assert "the traffic is back on" in report["reason"]
    assert report["slots"][report["live"]]["label"] == "1.0"
    assert not report["standby"]
    # The controller reverts on all hosts; here it is done.
    revert = host.go("flip", step="revert", deployment=deployment, release=live)
    assert revert["live"] == report["live"]


def test_a_release_that_dies_in_its_bake_is_taken_back_at_once(host: HostFixture, live: Release) -> None:
    bad = host.bucket.put(jar("6.8", "dies-after=live+1"))
    deployment = host.deployment()
    given = {"deployment": deployment, "release": bad, "previous": live, "settings": {"bake_seconds": 30}}
    host.go("stage", **given)
    host.go("flip", **given)
    host.get()
    report = host.command("bake", **given)
    assert not report["ok"]
    assert "the process of" in report["reason"]
    assert host.release() == "1.0"
    assert any("fault dies-after" in line for line in report["log"])


def test_a_host_that_somebody_flipped_by_hand_goes_back_to_what_its_users_had(
    host: HostFixture, v1: Release, v2: Release
) -> None:
    host.make_live(v1)
    host.make_live(v2, previous=v1)
    deployment = host.deployment()
    host.go("flip", step="revert", deployment=deployment, release=v1)
    bad = host.bucket.put(jar("6.8", "dies-after=live+0"))
    deployment = host.deployment()
    host.go("stage", deployment=deployment, release=bad)
    host.go("flip", deployment=deployment, release=bad)
    host.get()
    settings = {"bake_seconds": 20}
    report = host.command("bake", deployment=deployment, release=bad, previous=v2, settings=settings)
    assert not report["ok"]
    assert host.release() == v1["label"]


def test_a_first_release_that_fails_its_bake_has_nothing_to_go_back_to(
    host: HostFixture, live: Release
) -> None:
    bad = host.bucket.put(jar("6.9", "dies-after=live+0"))
    deployment = host.deployment()
    host.go("stage", deployment=deployment, release=bad)
    host.go("flip", deployment=deployment, release=bad)
    host.get()
    report = host.command("bake", deployment=deployment, release=bad, settings={"bake_seconds": 20})
    assert not report["ok"]
    assert "there is no previous release, so the traffic stays" in report["reason"]
    host.go("flip", step="revert", deployment=deployment, release=live)
    assert host.release() == "1.0"


def test_a_warm_slot_that_died_is_started_by_the_flip_back(
    host: HostFixture, v1: Release, v2: Release
) -> None:
    host.make_live(v1)
    host.make_live(v2, previous=v1)
    warm = "blue" if standing(host)[0] == "green" else "green"
    host.shell(f"systemctl stop twinslot-shop@{warm}")
    assert standing(host)[1] is False
    report = host.go("flip", step="revert", deployment=host.deployment(), release=v1)
    assert "start" in report["seconds"]
    assert host.release() == "1.0"


def test_a_jar_uploaded_again_with_other_options_is_started_anew(host: HostFixture, v1: Release) -> None:
    host.make_live(v1)
    again = host.bucket.put(jar("1.0"))
    options = {"java_options": ['-Dgreeting=good "day" \\o/', "-Xmx64m"], "management_port": 9100}
    report = host.deploy(again, settings=options)
    pid, live = report["slots"][report["live"]]["pid"], report["live"]
    assert '-Dgreeting=good "day" \\o/' in host.shell(f"nsenter -t {pid} -m -- jcmd {pid} VM.command_line")
    port = {"blue": 9100, "green": 9101}[live]
    assert f"MANAGEMENT_SERVER_PORT={port}" in host.shell(f"tr '\\0' '\\n' < /proc/{pid}/environ")
    host.go("flip", step="revert", deployment=host.deployment(), release=v1)
    assert standing(host)[0] != live


def test_a_release_that_no_slot_holds_cannot_be_flipped_to(host: HostFixture, live: Release) -> None:
    report = host.command("flip", deployment=host.deployment(), release=host.bucket.put(jar("3.3")))
    assert not report["ok"]
    assert "stage it first" in report["reason"]


def test_only_the_newest_releases_stay_on_the_disk(host: HostFixture, v1: Release) -> None:
    host.make_live(v1)
    for number in range(6):
        bad = host.bucket.put(jar(f"7.{number}", "dies-at-start"))
        host.command("stage", deployment=host.deployment(), release=bad)
    kept = host.shell("ls /opt/twinslot/shop/releases").split()
    assert len(kept) == 6  # the five newest, and the one that is live
    assert str(v1["sha256"])[:12] in kept
    assert host.release() == "1.0"
