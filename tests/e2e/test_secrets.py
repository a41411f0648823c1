"""A secret of an app's reaches its process, and shows nowhere else, whatever becomes of its deployments."""

import base64
import json
from collections.abc import Iterator

import pytest

from lab.sandbox.hosts.machine import STATE
from lab.sandbox.sandbox import Host, Sandbox
from tests.e2e.conftest import Jar
from tests.e2e.deployments import Deployer

SECRET = "correct-horse-battery-staple-1f56"
SECRETS = "/var/lib/twinslot/shop/secrets"


def shapes(secret: str) -> set[str]:
    """How it may be spelled: as it is, and inside of anything that is base64."""
    found = {secret}
    for start in range(3):
        whole = base64.b64encode(b" " * start + secret.encode()).decode()
        found.add(whole[4:-4])  # the ends depend on what stands around it
    return found


@pytest.fixture(scope="module")
def host(sandbox: Sandbox, shop: str, deployer: Deployer, jar: Jar) -> Host:
    """A host after a full run: two releases went live, one did not start, one was rolled back automatically,
    and a person rolled back one."""
    sandbox.client("ssm").put_parameter(
        Name=f"/twinslot/apps/{shop}/env/PASSWORD", Type="SecureString", Value=SECRET
    )
    host = sandbox.add_host(shop)
    told = [deployer.deploy(jar("1.0.0")), deployer.deploy(jar("1.1.0"))]
    told += [deployer.deploy(jar("2.0.0", "dies-at-start")), deployer.roll_back()]
    assert [each.data["outcome"] for each in told] == ["LIVE", "LIVE", "FAILED", "LIVE"]
    sandbox.client("ssm").put_parameter(
        Name=f"/twinslot/apps/{shop}/env/LD_PRELOAD", Type="SecureString", Value=SECRET
    )
    refused = deployer.deploy(jar("2.1.0"))
    assert "env/LD_PRELOAD" in refused.data["failure"]["reason"]
    return host


def on(host: Host, text: str) -> str:
    done = host.machine.run(["bash", "-c", text], timeout_seconds=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_process_has_it(host: Host) -> None:
    pid = on(host, "systemctl show --property=MainPID --value 'twinslot-shop@*' | grep -v '^0\\?$' | head -1")
    assert f"PASSWORD={SECRET}" in on(host, f"tr '\\0' '\\n' < /proc/{pid.strip()}/environ")


def traces(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """All that AWS and its people get to see of the run: where it stands, and the text."""
    ssm, table = sandbox.client("ssm"), sandbox.outputs["StateTable"]
    for log in (STATE / "logs").glob("*.log"):
        yield log.name, log.read_text(errors="replace")
    for invocation in sandbox.invocations:
        yield "an invocation", f"{invocation.payload!r} {invocation.answer!r}"
    for page in sandbox.client("dynamodb").get_paginator("scan").paginate(TableName=table):
        yield "the table", json.dumps(page, default=str)
    for announcement in sandbox.announcements.all():
        yield "an announcement", f"{announcement.text} {announcement.data} {announcement.attributes}"
    for command in ssm.list_commands()["Commands"]:
        yield "a command", json.dumps(command, default=str)
        found = ssm.list_command_invocations(CommandId=command["CommandId"], Details=True)
        yield "a command's outputs", json.dumps(found, default=str)
        for each in found["CommandInvocations"]:
            ids = {"CommandId": command["CommandId"], "InstanceId": each["InstanceId"]}
            yield "a command's whole output", json.dumps(ssm.get_command_invocation(**ids), default=str)


def test_nothing_that_aws_keeps_of_the_run_shows_it(sandbox: Sandbox, host: Host) -> None:
    seen = dict[str, int]()
    key_seen = set[str]()
    for place, text in traces(sandbox):
        seen[place] = seen.get(place, 0) + 1
        assert not any(shape in text for shape in shapes(SECRET)), place
        if any(shape in text for shape in shapes("shop/shop-1.1.0.jar")):
            key_seen.add(place)
    assert {"an invocation", "the table", "an announcement", "a command", "a command's outputs"} <= set(seen)
    assert any(name.endswith(".log") for name in seen)
    assert {"an invocation", "the table", "an announcement", "a command"} <= key_seen, "the search is blind"
    assert seen["a command's whole output"] >= 10


def test_nothing_on_the_host_shows_it_but_the_files_that_root_reads(host: Host) -> None:
    patterns = "\n".join(sorted(shapes(SECRET)))
    host.machine.write("/root/patterns", patterns + "\n", 0o600)
    grep = "grep --text --count --fixed-strings --file=/root/patterns"
    for said in ("journalctl --all --output=export", "cat /proc/[0-9]*/cmdline"):
        assert on(host, f"{said} | {{ {grep} || true; }}").strip() == "0", said
    folders = "/etc /opt /root /run /srv /tmp /var"
    files = on(host, f"{grep.replace('--count', '-rl')} {folders} 2>/dev/null || true").split()
    assert {file.rpartition("/")[0] for file in files if file != "/root/patterns"} == {SECRETS}
    modes = on(host, f"stat -c '%U %a %F' {SECRETS} {SECRETS}/*; stat -Lc '%U %a' {SECRETS}/*")
    assert set(modes.splitlines()) == {
        *("root 700 directory", "root 600 regular file", "root 777 symbolic link", "root 600")
    }
    denied = host.machine.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "ls", SECRETS], timeout_seconds=9
    )
    assert denied.returncode
