"""Deployments to one host, from the upload to the page that a visitor sees."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from lab.sandbox.demo.page import Page
from lab.sandbox.sandbox import FunctionError, Host, Sandbox
from lab.screenshots.browser import Browser
from tests.e2e.conftest import Jar
from tests.e2e.deployments import Deployer, given
from tests.e2e.visitors import Visitors, page
from tests.waiting import wait_until

COMMAND_ENDED = "EC2 Command Status-change Notification"


@pytest.fixture(scope="module")
def host(sandbox: Sandbox, shop: str, deployer: Deployer, jar: Jar) -> Host:
    """The only host, on which 1.0.0 was live first."""
    host = sandbox.add_host(shop)
    told = deployer.deploy(jar("1.0.0"))
    assert told.data["outcome"] == "LIVE", told.text
    return host


@pytest.fixture
def visitors(host: Host) -> Iterator[Visitors]:
    with Visitors(host.address) as visitors:
        yield visitors


def test_an_upload_goes_live_and_no_visitor_is_lost(deployer: Deployer, jar: Jar, visitors: Visitors) -> None:
    told = deployer.deploy(jar("1.1.0"))

    assert told.data["outcome"] == "LIVE", told.text
    assert told.data["live"]["label"] == "1.1.0"
    assert list(told.data["seconds"]) == ["waiting", "staging", "flipping", "baking"]
    assert told.attributes["app"] == "shop"
    assert "1.1.0" in page(visitors.answers[0][0])
    assert set(visitors.statuses) == {200}


def test_the_page_shows_the_slots_swap_and_the_traffic_move(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, visitors: Visitors, browser: Browser
) -> None:
    def text(selector: str) -> str:
        # In one question: the page is drawn again every second.
        script = "return document.querySelector(arguments[0])?.textContent ?? ''"
        return str(browser.driver.execute_script(script, selector))

    def gets_all(slot: str) -> bool:
        return [int(text(f"#{each}") or 0) > 0 for each in ("blue", "green")] == [
            slot == "blue",
            slot == "green",
        ]

    with Page(sandbox) as shown:
        browser.open(shown.address)
        wait_until(lambda: "LIVE" in text("#widget .slot.live"))
        before, after = ("blue", "green") if text("#widget .slot.blue.live") else ("green", "blue")
        wait_until(lambda: gets_all(before))

        deployer.deploy(jar("1.1.1"))

        wait_until(lambda: "1.1.1" in text(f"#widget .slot.{after}.live"))
        wait_until(lambda: gets_all(after))
        assert "warm" in text(f"#widget .slot.{before}")
        wait_until(lambda: text("#widget tr:nth-child(2)").startswith("LIVE1.1.1"))
        assert browser.driver.find_elements(By.CSS_SELECTOR, f"#plot rect.{before}"), "the plot remembers"
    assert set(visitors.statuses) == {200}


def test_a_release_that_never_gets_healthy_fails_and_no_visitor_sees_it(
    deployer: Deployer, jar: Jar, visitors: Visitors
) -> None:
    told = deployer.deploy(jar("2.0.0", "never-healthy"))

    assert told.data["outcome"] == "FAILED", told.text
    assert told.data["failure"]["phase"] == "staging"
    assert any("Starting Shop 2.0.0" in line for line in told.data["failure"]["log"])
    assert told.data["live"]["label"] != "2.0.0"
    assert set(visitors.statuses) == {200}
    assert not any("2.0.0" in body for _, _, body in visitors.answers)


def test_a_release_that_answers_5xx_while_it_bakes_is_taken_back(
    deployer: Deployer, jar: Jar, host: Host, visitors: Visitors
) -> None:
    before = page(host.address)

    told = deployer.deploy(jar("2.1.0", "errors-after=live+0"))

    assert told.data["outcome"] == "REVERTED", told.text
    assert told.data["failure"]["phase"] == "baking"
    assert told.data["failure"]["host"] == host.instance_id
    assert page(host.address) == before
    assert set(visitors.statuses) <= {200, 500}, "only the bad release's own answers may fail"


def test_going_back_starts_and_stops_nothing_while_the_release_before_is_warm(
    deployer: Deployer, jar: Jar, host: Host, visitors: Visitors
) -> None:
    deployer.deploy(jar("1.2.0"))
    deployer.deploy(jar("1.3.0"))
    before = _processes(host)

    told = deployer.roll_back()

    assert told.data["outcome"] == "LIVE", told.text
    assert told.data["live"]["label"] == "1.2.0"
    assert "1.2.0" in page(host.address)
    assert _processes(host) == before
    assert set(visitors.statuses) == {200}


def test_any_earlier_release_can_be_made_live_again_by_its_label(
    deployer: Deployer, jar: Jar, host: Host
) -> None:
    deployer.deploy(jar("1.4.0"))
    deployer.deploy(jar("1.5.0"))

    told = deployer.roll_back(to="1.0.0")

    assert (told.data["outcome"], told.data["kind"]) == ("LIVE", "rollback")
    assert "1.0.0" in page(host.address)


def test_going_back_to_what_was_never_live_is_refused_by_name(sandbox: Sandbox, host: Host) -> None:
    with pytest.raises(FunctionError, match=r"9\.9\.9") as refused:
        sandbox.invoke("Rollback", {"app": "shop", "to": "9.9.9"})

    assert refused.value.kind == "NothingToRollBackTo"


def test_an_event_that_comes_again_makes_no_second_deployment(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, host: Host
) -> None:
    events: list[dict[str, Any]] = []
    sandbox.aws.bus.watch(events.append)
    version = sandbox.upload(jar("1.6.0"), "shop/shop-1.6.0.jar")
    uploaded = next(event for event in events if event["detail-type"] == "Object Created")

    sandbox.aws.bus.publish(uploaded)
    deployer.outcome_of(version)
    sandbox.aws.bus.publish(uploaded)
    wait_until(lambda: _invocations(sandbox, version) == 3)

    assert deployer.count(version) == 1
    steps = [
        command.parameters["step"][0]
        for command in sandbox.run_command.commands()
        if _is_of(command, version)
    ]
    assert sorted(steps) == ["bake", "flip", "stage"]


def test_of_quick_uploads_the_newest_goes_live_and_none_is_forgotten(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, host: Host
) -> None:
    versions = [sandbox.upload(jar(f"3.{number}.0"), "shop/shop.jar") for number in range(4)]

    outcomes = [deployer.outcome_of(version).data["outcome"] for version in versions]

    assert outcomes[-1] == "LIVE"
    assert sorted(outcomes[:-1]) in (["LIVE", "SUPERSEDED", "SUPERSEDED"], ["SUPERSEDED"] * 3)
    assert "3.3.0" in page(host.address)


def test_the_clock_finds_what_no_event_told(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, host: Host
) -> None:
    lost: list[dict[str, Any]] = []

    def is_first_success(event: dict[str, Any]) -> bool:
        if (event["detail-type"], event["detail"].get("status")) != (COMMAND_ENDED, "Success"):
            return False
        if event["detail"]["command-id"] not in {command.id for command in given(sandbox)}:
            return False
        lost.append(event)
        return True

    sandbox.aws.bus.lose_next(is_first_success)

    told = deployer.deploy(jar("4.0.0"))

    assert len(lost) == 1
    assert told.data["outcome"] == "LIVE", told.text


def test_a_text_file_that_is_called_a_jar_is_refused(
    sandbox: Sandbox, deployer: Deployer, host: Host, tmp_path: Path
) -> None:
    commands = len(given(sandbox))
    text = tmp_path / "notes.jar"
    text.write_text("not a jar\n")

    sandbox.upload(text, "shop/notes.jar")
    told = deployer.refusal_of("shop/notes.jar")

    assert "not a jar" in told.data["failure"]["reason"]
    assert len(given(sandbox)) == commands


def test_the_stock_aws_cli_deploys_and_goes_back(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, host: Host
) -> None:
    aws = shutil.which("aws", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin") or shutil.which(
        "aws"
    )
    assert aws, "the AWS CLI is among the development requirements"
    environment = {**sandbox.variables(), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}
    upload = [aws, "s3", "cp", str(jar("5.0.0")), f"s3://{sandbox.outputs['ArtifactBucket']}/shop/"]

    subprocess.run(upload, env=environment, check=True, capture_output=True, timeout=60)

    sandbox.wait_for("shop", "LIVE", 60, lambda told: told.data["live"]["label"] == "5.0.0")
    assert "5.0.0" in page(host.address)


def _processes(host: Host) -> list[str]:
    """The ids of the slots' processes, both of which run."""
    slots = [f"twinslot-shop@{slot}" for slot in ("blue", "green")]
    argv = ["systemctl", "show", "--property=MainPID", "--value", *slots]
    ids = host.machine.run(argv, timeout_seconds=10).stdout.split()
    assert len(ids) == 2
    assert "0" not in ids
    return ids


def _is_of(command: Any, version: str) -> bool:
    """Whether a command was sent for the deployment of this version."""
    text = command.parameters.get("release", [""])[0]
    if not text:  # the inspection's, by which this test may be overtaken
        return False
    release = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return bool(release["version"] == version)


def _invocations(sandbox: Sandbox, version: str) -> int:
    """How many invocations brought the event of this version."""
    return sum(version.encode() in each.payload and "deploy" in each.function for each in sandbox.invocations)
