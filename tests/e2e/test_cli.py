"""The command line as a person types it: a separate process, with real hosts."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.sandbox.sandbox import Host, Sandbox
from tests.e2e.conftest import Jar
from tests.e2e.deployments import SETTINGS
from tests.e2e.visitors import page
from tests.pages import ROOT
from tests.waiting import wait_until

COMMAND_SECONDS = 120
STRAY = "/etc/nginx/conf.d/stray.conf"


class Person:
    """Somebody who types `twinslot …` with the credentials of the account."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._environment = {
            **sandbox.variables(),
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{ROOT / 'cli'}:{ROOT / 'layers' / 'twinslot'}",
        }

    def begins(self, *arguments: object) -> "subprocess.Popen[str]":
        """The program on its way."""
        return subprocess.Popen(
            [sys.executable, "-m", "twinslot_cli", *map(str, arguments)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def types(self, *arguments: object, code: int = 0) -> str:
        """What the program printed, which ended with this code and complained of nothing."""
        with self.begins(*arguments) as process:
            return ended(process, code)


def ended(process: "subprocess.Popen[str]", code: int) -> str:
    """The rest of what the program printed, which ends with this code and complains of nothing."""
    try:
        out, err = process.communicate(timeout=COMMAND_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, err) == (code, ""), out
    return out


@pytest.fixture(scope="module")
def host(sandbox: Sandbox, shop: str) -> Host:
    """The only host of an application on which doctor finds nothing: somebody hears the announcements."""
    sandbox.set(shop, SETTINGS | {"start_seconds": 15})
    queue = sandbox.client("sqs").create_queue(QueueName="reader")["QueueUrl"]
    told = sandbox.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    sandbox.client("sns").subscribe(
        TopicArn=sandbox.outputs["AnnouncementTopic"],
        Protocol="sqs",
        Endpoint=told["Attributes"]["QueueArn"],
    )
    return sandbox.add_host(shop)


@pytest.fixture(scope="module")
def person(sandbox: Sandbox, host: Host, jar: Jar) -> Person:
    """Who has deployed 1.0.0, and saw it go live."""
    person = Person(sandbox)
    told = person.types("deploy", jar("1.0.0"), "--app", "shop").splitlines()
    assert told[0].startswith("uploading shop-1.0.0.jar (")
    assert [phase for each in told for phase in re.findall(r"shop 1\.0\.0: (\w+)", each)] == [
        *("waiting", "staging", "flipping", "baking")
    ]
    assert re.fullmatch(r"LIVE after [0-9.]+ s\. It is live on all its hosts\. Live now: 1\.0\.0\.", told[-1])
    return person


def test_what_was_deployed_is_live_and_its_journal_can_be_read(person: Person, host: Host) -> None:
    assert "1.0.0" in page(host.address)
    assert re.search(
        rf"^shop +1\.0\.0  live since .*\n +host +{host.instance_id} +○ blue empty +● green 1\.0\.0 ",
        person.types("status", "shop"),
    )
    title, *journal = person.types("logs", "shop").splitlines()
    assert title == f"== {host.instance_id}"
    assert "Started Shop 1.0.0" in journal[-1]


def test_a_release_that_never_gets_healthy_is_a_failure_with_its_cause_and_its_journal(
    person: Person, host: Host, jar: Jar
) -> None:
    with person.begins("deploy", jar("2.0.0", "never-healthy"), "--app", "shop") as process:
        wait_until(lambda: "under way shop 2.0.0: staging" in person.types("status", "shop"))
        out = ended(process, 1)

    assert re.search(r"^FAILED after .*\. It did not go live, .*\. Live now: 1\.0\.0\.$", out, re.MULTILINE)
    assert re.search(rf"^Cause \(staging on {host.instance_id}\): .*health", out, re.MULTILINE)
    assert "Starting Shop 2.0.0" in out
    assert "Starting Shop 2.0.0" in person.types("logs", "shop", "--idle")
    assert "2.0.0" not in page(host.address)


def test_doctor_finds_nothing_where_all_is_well(person: Person) -> None:
    out = person.types("doctor", "shop")

    assert re.fullmatch(r"\d+ checks, 0 failed", out.splitlines()[-1]), out
    assert "✓ nginx configuration" in out, "the host has looked at itself"


@contextmanager
def nginx_is_stopped(shell: Callable[[str], None]) -> Iterator[None]:
    shell("systemctl stop nginx")
    yield
    shell("systemctl start nginx")


@contextmanager
def nonsense_for_nginx(shell: Callable[[str], None]) -> Iterator[None]:
    shell(f"echo 'nonsense;' > {STRAY}")
    yield
    shell(f"rm {STRAY}")


@contextmanager
def a_stranger_on_the_idle_port(shell: Callable[[str], None]) -> Iterator[None]:
    shell(
        "systemctl stop twinslot-shop@blue; systemd-run --quiet --unit=stranger python3 -m http.server 8081;"
        "until ss -ltn | grep -q :8081; do sleep 0.05; done"
    )
    yield
    shell("systemctl stop stranger")


@contextmanager
def the_live_process_is_stopped(shell: Callable[[str], None]) -> Iterator[None]:
    shell("systemctl stop twinslot-shop@green")
    yield
    shell("systemctl start twinslot-shop@green; until curl -sf http://127.0.0.1:8082/; do sleep 0.05; done")


@pytest.mark.parametrize(
    ("planted", "check", "what"),
    [
        (nginx_is_stopped, "nginx running", "nginx"),
        (nonsense_for_nginx, "nginx configuration", 'unknown directive "nonsense"'),
        (a_stranger_on_the_idle_port, "slot ports", "(python3)"),
        (the_live_process_is_stopped, "live slot", "green"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_doctor_finds_a_fault_on_the_host_and_its_remedy(
    person: Person, host: Host, planted: Any, check: str, what: str
) -> None:
    def shell(command: str) -> None:
        done = host.machine.run(["sh", "-ec", command], timeout_seconds=30)
        assert done.returncode == 0, done.stderr

    with planted(shell):
        checks = json.loads(person.types("doctor", "shop", "--json", code=1))["checks"]

    failed = {each["name"]: each for each in checks if not each["ok"]}
    assert failed[check]["host"] == host.instance_id
    assert what in failed[check]["what"]
    assert failed[check]["remedy"]


def test_while_frozen_an_upload_waits_until_it_is_unfrozen(person: Person, host: Host, jar: Jar) -> None:
    assert person.types("freeze", "shop", "--why", "stock-taking").startswith("shop is frozen: uploads wait")
    with person.begins("deploy", jar("1.1.0"), "--app", "shop") as process:
        wait_until(lambda: "waiting   shop 1.1.0: frozen by" in person.types("status", "shop"))
        assert "1.0.0" in page(host.address)

        assert person.types("unfreeze", "shop").startswith(
            "shop is no longer frozen: 1.1.0 was waiting and starts now."
        )

        told = ended(process, 0).splitlines()
    assert re.fullmatch(r"LIVE after [0-9.]+ s\. It is live on all its hosts\. Live now: 1\.1\.0\.", told[-2])
    assert told[-1] == "To roll back to 1.0.0: twinslot rollback shop"
    assert "1.1.0" in page(host.address)


def test_a_rollback_is_live_at_once_and_history_tells_of_everything(person: Person, host: Host) -> None:
    told = person.types("rollback", "shop").splitlines()

    assert any(re.fullmatch(r"LIVE after [0-9.]+ s\. .* Live now: 1\.0\.0\.", each) for each in told)
    assert "1.0.0" in page(host.address)
    rows = person.types("history", "shop").splitlines()
    endings = [found.groups() for row in rows if (found := re.search(r"UTC  (\w+) +([0-9.]+)", row))]
    assert endings == [("LIVE", "1.0.0"), ("LIVE", "1.1.0"), ("FAILED", "2.0.0"), ("LIVE", "1.0.0")]
