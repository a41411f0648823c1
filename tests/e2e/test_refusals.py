"""Deployments that cannot begin, and a real Spring Boot application that can."""

from pathlib import Path

import pytest

from lab.samples.build import build_spring
from lab.sandbox.sandbox import Host, Sandbox
from tests.e2e.conftest import Jar
from tests.e2e.deployments import SETTINGS, Deployer, given
from tests.e2e.visitors import page
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def spring_host(sandbox: Sandbox) -> Host:
    """A host of the application `spring`, which may start as slowly as Spring does here."""
    sandbox.set("spring", SETTINGS | {"start_seconds": 90})
    return sandbox.add_host("spring")


@pytest.mark.timeout(300)
def test_a_real_spring_boot_application_goes_live(
    deployer: Deployer, spring_host: Host, tmp_path_factory: pytest.TempPathFactory
) -> None:
    jar = build_spring(tmp_path_factory.mktemp("spring"), "1.0.0")

    told = deployer.deploy(jar, app="spring")

    assert told.data["outcome"] == "LIVE", told.text
    assert told.data["live"]["label"] == "1.0.0"
    assert page(spring_host.address)


def test_an_application_without_a_host_is_refused(deployer: Deployer, jar: Jar) -> None:
    told = deployer.deploy(jar("1.0.0"), app="nowhere")

    assert told.data["outcome"] == "REFUSED"
    assert "twinslot=nowhere" in told.data["failure"]["reason"]


def test_a_host_whose_agent_is_gone_is_named_and_nothing_is_sent_to_it(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, spring_host: Host
) -> None:
    spring_host.stop_agent()
    commands = len(given(sandbox))
    try:
        wait_until(
            lambda: not sandbox.run_command.is_online(sandbox.run_command.agents()[spring_host.instance_id])
        )
        told = deployer.deploy(jar("1.1.0"), app="spring")
    finally:
        spring_host.start_agent()

    assert told.data["outcome"] == "REFUSED"
    assert spring_host.instance_id in told.text
    assert len(given(sandbox)) == commands


def test_a_setting_that_does_not_exist_is_named(sandbox: Sandbox, deployer: Deployer, jar: Jar) -> None:
    sandbox.set("typo", {"bake_secnds": 5})

    told = deployer.deploy(jar("1.0.0"), app="typo")

    assert told.data["outcome"] == "REFUSED"
    assert "bake_secnds" in told.data["failure"]["reason"]


@pytest.mark.parametrize(
    "key",
    [
        "shop/a b.jar",
        "shop/a+b.jar",
        "shop/a%2Fb.jar",
        "shop/$(reboot).jar",
        "shop/`reboot`.jar",
        'shop/a"b.jar',
        "shop/a'b.jar",
        "shop/a\nb.jar",
        "shop/../other/a.jar",
        "shop/ä.jar",
        "Shop/a.jar",
        "shop/" + "a" * 1015 + ".jar",
        "a.jar",
    ],
)
def test_a_key_that_is_not_plain_is_refused(sandbox: Sandbox, deployer: Deployer, jar: Jar, key: str) -> None:
    announced = len(sandbox.announcements)

    sandbox.upload(jar("1.0.0"), key)
    told = sandbox.announcements.wait_for(lambda each: each.tells_an_end, 30, after=announced)

    assert told.data["outcome"] == "REFUSED"
    assert told.data["release"] is None
    assert told.data["failure"]["reason"]
    assert all(line.isprintable() for line in told.text.splitlines())


def test_a_file_that_is_no_jar_is_left_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    announced, invoked = len(sandbox.announcements), len(sandbox.invocations)
    notes = tmp_path / "notes.txt"
    notes.write_text("notes\n")

    sandbox.upload(notes, "shop/notes.txt")
    wait_until(lambda: any(b"notes.txt" in each.payload for each in sandbox.invocations[invoked:]))

    assert len(sandbox.announcements) == announced
