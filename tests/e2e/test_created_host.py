"""From nothing to a running service: the host that the stack makes, and hosts that come later by themselves.

State Manager and EventBridge start everything here: the tests only launch instances and look.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.sandbox.sandbox import Host, Sandbox
from lab.sandbox.services.sns import Announcement
from tests.e2e.conftest import Jar
from tests.e2e.deployments import DEADLINE_SECONDS, Deployer, given
from tests.e2e.visitors import Visitors, page
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def parameters() -> dict[str, str]:
    return {"CreateHost": "yes", "HostApp": "shop"}


@pytest.fixture(scope="module")
def java() -> bool:
    """As Amazon's image, which has none."""
    return False


@pytest.fixture(scope="module")
def created(sandbox: Sandbox, shop: str) -> Host:
    """The host that the stack made; nothing was asked of it."""
    (host,) = sandbox.hosts
    return host


@pytest.fixture(scope="module")
def live(created: Host, deployer: Deployer, jar: Jar) -> Announcement:
    """The first release, live on it."""
    return deployer.deploy(jar("1.0.0"))


@pytest.mark.timeout(300)  # where the image without Java is not built yet
def test_the_host_that_the_stack_makes_has_no_nginx_and_no_java_until_it_is_provisioned(
    sandbox: Sandbox, created: Host
) -> None:
    assert created.instance_id == sandbox.outputs["HostInstanceId"]

    wait_until(lambda: _provisioned(sandbox, created) == "Success", DEADLINE_SECONDS)

    # They were missing: what is there is not installed.
    assert "installed packages" in _journal(created)
    assert created.machine.run(["nginx", "-t"], timeout_seconds=10).returncode == 0
    for program in ("nginx", "java"):
        package = _package(created, _say(created, "sh", "-c", f"readlink -f $(command -v {program})"))
        assert "Status: install ok installed" in _say(created, "dpkg", "--status", package).splitlines()
        # Not one in place of another.
        assert re.search(rf" install {package}:\S+ <none> ", created.machine.read("/var/log/dpkg.log"))
    assert sandbox.run_command.commands() == []


def test_an_upload_goes_live_where_the_outputs_say(sandbox: Sandbox, live: Announcement) -> None:
    assert live.data["outcome"] == "LIVE", live.text
    assert "1.0.0" in page(sandbox.outputs["HostAddress"])


def test_it_is_run_by_the_java_that_was_installed(created: Host, live: Announcement) -> None:
    green = ["systemctl", "show", "--property=MainPID", "--value", "twinslot-shop@green"]
    program = _say(created, "readlink", f"/proc/{_say(created, *green)}/exe")
    assert program == _say(created, "sh", "-c", "readlink -f $(command -v java)")
    assert _package(created, program).endswith("-jre-headless")


def test_a_second_host_gets_the_live_release_with_nobody_asking(
    sandbox: Sandbox, created: Host, live: Announcement
) -> None:
    known = len(given(sandbox))
    with Visitors(created.address) as visitors:
        second = _launch(sandbox)
        told = _joined(sandbox, second)

    assert told.data["outcome"] == "LIVE", told.text
    assert told.data["live"] == live.data["live"]
    assert "1.0.0" in page(second.address)
    commands = given(sandbox)
    assert {instance for each in commands[: len(commands) - known] for instance in each.invocations} == {
        second.instance_id
    }
    assert set(visitors.statuses) == {200}


def test_a_host_in_place_of_another_gets_what_is_live_now(
    sandbox: Sandbox, created: Host, deployer: Deployer, jar: Jar
) -> None:
    told = deployer.deploy(jar("1.1.0"))
    assert told.data["outcome"] == "LIVE", told.text
    assert len(told.data["hosts"]) == len(sandbox.hosts)

    sandbox.terminate(created)
    third = _launch(sandbox)

    told = _joined(sandbox, third)
    assert told.data["outcome"] == "LIVE", told.text
    assert "1.1.0" in page(third.address)
    told = deployer.deploy(jar("1.2.0"))
    assert told.data["outcome"] == "LIVE", told.text
    assert {"1.2.0" in page(host.address) for host in sandbox.hosts} == {True}


def _launch(sandbox: Sandbox) -> Host:
    """One more host, by the command that the stack prints."""
    _, *arguments = shlex.split(sandbox.outputs["AddHostCommand"])
    environment = {**sandbox.variables(), "PATH": os.environ["PATH"]}
    aws = shutil.which("aws", path=f"{Path(sys.executable).parent}:{environment['PATH']}")
    assert aws, "the AWS CLI is among the development requirements"
    told = subprocess.run([aws, *arguments], env=environment, check=True, capture_output=True, timeout=60)
    return sandbox.boot(json.loads(told.stdout)["Instances"][0]["InstanceId"])


def _joined(sandbox: Sandbox, host: Host) -> Announcement:
    """How the deployment ended that a new host brought about."""

    def is_its_own(told: Announcement) -> bool:
        return told.tells_an_end and told.data["kind"] == "join" and host.instance_id in told.data["hosts"]

    return sandbox.announcements.wait_for(is_its_own, DEADLINE_SECONDS)


def _provisioned(sandbox: Sandbox, host: Host) -> str:
    told = sandbox.client("ssm").describe_instance_associations_status(InstanceId=host.instance_id)
    (association,) = told["InstanceAssociationStatusInfos"]
    return str(association["Status"])


def _journal(host: Host) -> str:
    return _say(host, "journalctl", "-t", "twinslot", "-o", "cat")


def _package(host: Host, path: str) -> str:
    """The name of the package that brought a file; its architecture is left out."""
    return _say(host, "dpkg", "--search", path).partition(":")[0]


def _say(host: Host, *argv: str) -> str:
    """The output of a command that has to succeed."""
    done = host.machine.run(argv, timeout_seconds=10)
    assert done.returncode == 0, done
    return done.stdout.strip()
