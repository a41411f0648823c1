"""Type every command of the pages, page by page, as a reader does: on the sandbox, and on the sandbox's host.

A command that is on several pages, such as a page and its translation, is typed once. The sandbox's own names
replace those of the pages, such as ARTIFACTS and i-0123456789abcdef0. The next command waits until no
deployment is in progress.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from twinslot.domain.model import Outcome
from twinslot.intake.settings import parse

from lab.sandbox.sandbox import Host, Sandbox
from lab.sandbox.services.sns import Announcement
from tests.doc_commands_not_run import reason_against
from tests.e2e.conftest import Jar
from tests.e2e.deployments import Deployer
from tests.pages import ROOT, Block, Page, pages
from tests.waiting import wait_until

LAST = "docs/operations.md"
"""The page whose last commands remove twinslot from the host."""

COMMAND_SECONDS = 60
QUIET_SECONDS = 60
FAST = {"start_seconds": 20, "bake_seconds": 1}

EXPECTED_EXITS = {"twinslot deploy shop-1.4.4.jar --app shop": 1, "twinslot doctor shop": 1}
"""The first one fails by design; the second finds the message in the dead-letter queue."""

CONFIG = """[default]
cli_follow_urlparam = false
"""
"""Version 1 of the AWS CLI replaces a value that is a URL by what it downloads there; version 2 does not."""

CLI = f"""#!{sys.executable}
import sys
sys.path[:0] = [{str(ROOT / "cli")!r}, {str(ROOT / "layers" / "twinslot")!r}]
sys.argv[0] = "twinslot"
from twinslot_cli.main import main
sys.exit(main())
"""


@dataclass
class Reader:
    """A reader at a terminal, with the jars of the pages in the current folder."""

    sandbox: Sandbox
    host: Host
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)

    def type(self, command: str, on_host: bool) -> None:
        """Type a command, unless it was typed before, and wait until no deployment is in progress."""
        if command in self.typed or reason_against(command):
            return
        self.typed.add(command)
        text = self._with_own_names(command)
        assigned = re.match(r"([A-Z]+)=\$\(", text)
        if assigned:
            text += f'; printf %s "${assigned[1]}"'
        announced = len(self.sandbox.announcements.all())
        done = self._on_host(text) if on_host else self._here(text)
        expected = EXPECTED_EXITS.get(command, 0)
        assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
        if assigned:
            assert done.stdout not in ("", "None"), f"{command} finds nothing"
            self.variables[assigned[1]] = done.stdout
        if "put-parameter" in text:
            self._speed_up()
        if "run-instances" in text:
            self._terminate_all_but(self.host)
        if "s3 cp" in text:
            self.sandbox.announcements.wait_for(_is_end, QUIET_SECONDS, announced)
        wait_until(self._is_quiet, QUIET_SECONDS)

    def _with_own_names(self, command: str) -> str:
        outputs = self.sandbox.outputs
        own = {
            "ARTIFACTS": outputs["ArtifactBucket"],
            "STACK": "twinslot",
            "ROLE": self.host.identity.role,
            "i-0123456789abcdef0": self.host.instance_id,
            # Version 1 of the AWS CLI does not know the option, and does not need it.
            " --cli-binary-format raw-in-base64-out": "",
            # It ignores the environment's endpoint for SQS (overridesslcommonname.py).
            " sqs ": f" --endpoint-url {self.sandbox.endpoint} sqs ",
        }
        for word, real in own.items():
            command = re.sub(
                rf"(?<![\w$]){re.escape(word)}(?!\w|=)" if word[0] != " " else word, real, command
            )
        return command

    def _here(self, text: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **self.sandbox.variables(),
            **self.variables,
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
        }
        return subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def _on_host(self, text: str) -> subprocess.CompletedProcess[str]:
        argv = ["bash", "-c", text]
        return self.host.machine.run(argv, env=self.variables, timeout_seconds=COMMAND_SECONDS)

    def _speed_up(self) -> None:
        """Check the settings that the page has written, and replace them by fast ones."""
        found = self.sandbox.client("ssm").get_parameter(Name="/twinslot/apps/shop")
        parse(found["Parameter"]["Value"])
        self.sandbox.set("shop", FAST)

    def _terminate_all_but(self, host: Host) -> None:
        """Terminate the other instances: test_created_host.py tests how a second host joins."""
        ec2 = self.sandbox.client("ec2")
        made = [each for group in ec2.describe_instances()["Reservations"] for each in group["Instances"]]
        others = [each["InstanceId"] for each in made if each["InstanceId"] != host.instance_id]
        ec2.terminate_instances(InstanceIds=others)

    def _is_quiet(self) -> bool:
        found = self.sandbox.client("dynamodb").scan(
            TableName=self.sandbox.outputs["StateTable"],
            FilterExpression="busy = :yes",
            ExpressionAttributeValues={":yes": {"S": "yes"}},
        )
        return not found["Items"]


@pytest.fixture(scope="module")
def parameters() -> dict[str, str]:
    """The parameters with which docs/getting-started.md deploys the stack."""
    return {"CreateHost": "yes", "AnnounceTo": "you@example.com"}


@pytest.fixture(scope="module")
def reader(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, tmp_path_factory: pytest.TempPathFactory
) -> Reader:
    """A reader of a stack with one live release, so that every page has one to go back to."""
    folder = tmp_path_factory.mktemp("reader")
    for label in ("1.4.1", "1.4.2", "1.4.3"):
        (folder / f"shop-{label}.jar").write_bytes(jar(label).read_bytes())
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(CONFIG)
    cli = folder / "bin" / "twinslot"
    cli.parent.mkdir()
    cli.write_text(CLI)
    cli.chmod(0o755)
    sandbox.set("shop", FAST)
    (host,) = sandbox.hosts
    ended = deployer.deploy(jar("1.4.1"))
    assert ended.data["outcome"] == "LIVE", ended.text
    # An event that the function cannot parse: the message in the dead-letter queue that the page reads.
    sandbox.client("lambda").invoke(FunctionName="twinslot-deploy", InvocationType="Event", Payload="[]")
    return Reader(sandbox, host, folder, surroundings(sandbox) | {"HOST": host.instance_id})


def surroundings(sandbox: Sandbox) -> dict[str, str]:
    """Return what docs/https.md needs, as shell variables: a network, a firewall and a certificate."""
    ec2 = sandbox.client("ec2")
    network = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    of_network = [{"Name": "vpc-id", "Values": [network]}]
    subnets = ec2.describe_subnets(Filters=of_network)["Subnets"][:2]
    return {
        "VPC": network,
        "SUBNETS": " ".join(subnet["SubnetId"] for subnet in subnets),
        "PUBLIC": ec2.describe_security_groups(Filters=of_network)["SecurityGroups"][0]["GroupId"],
        "CERTIFICATE": sandbox.client("acm").request_certificate(DomainName="shop.example.com")[
            "CertificateArn"
        ],
    }


def is_last(page: Page) -> bool:
    return str(page) == LAST


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", sorted(pages(), key=is_last), ids=str)
def test_every_command_of_the_page_succeeds(page: Page, reader: Reader) -> None:
    for block in page.blocks:
        for command in block.commands:
            try:
                reader.type(command, on_host(block))
            except (AssertionError, subprocess.TimeoutExpired) as error:
                raise AssertionError(f"{page}:{block.line}: {error}") from error


def _is_end(announcement: Announcement) -> bool:
    return announcement.data["outcome"] in set(Outcome)


def on_host(block: Block) -> bool:
    """Return whether the commands of a block are typed in a shell on a host."""
    return block.kind == "sh host"
