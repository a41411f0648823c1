"""Every command of the pages, page by page, as a reader types it: on the sandbox, and on the sandbox's host.

A command that stands on several pages is typed once. What the pages call ARTIFACTS, or i-0123456789abcdef0,
is the sandbox's own here. The reader waits for what he began: the next command comes when nothing is under
way any more.
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
"""Its last commands remove twinslot from the host."""

COMMAND_SECONDS = 60
QUIET_SECONDS = 60
FAST = {"start_seconds": 20, "bake_seconds": 1}

EXPECTED_EXITS = {"twinslot deploy shop-1.4.4.jar --app shop": 1, "twinslot doctor shop": 1}
"""The page says that the first one fails. The doctor finds the letter that is there to be read."""

CONFIG = """[default]
cli_follow_urlparam = false
"""
"""Version 1 of the AWS CLI would fetch what a value that is an address leads to; version 2 does not."""

CLI = f"""#!{sys.executable}
import sys
sys.path[:0] = [{str(ROOT / "cli")!r}, {str(ROOT / "layers" / "twinslot")!r}]
sys.argv[0] = "twinslot"
from twinslot_cli.main import main
sys.exit(main())
"""


@dataclass
class Reader:
    """Somebody at a terminal of his own, with the jars of the pages in his folder."""

    sandbox: Sandbox
    host: Host
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)

    def type(self, command: str, on_host: bool) -> None:
        """Type it, unless it was typed before, and wait until nothing is under way."""
        if command in self.typed or reason_against(command):
            return
        self.typed.add(command)
        text = self._own_words(command)
        assigned = re.match(r"([A-Z]+)=\$\(", text)
        if assigned:
            text += f'; printf %s "${assigned[1]}"'
        told = len(self.sandbox.announcements.all())
        done = self._on_host(text) if on_host else self._here(text)
        expected = EXPECTED_EXITS.get(command, 0)
        assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
        if assigned:
            assert done.stdout not in ("", "None"), f"{command} finds nothing"
            self.variables[assigned[1]] = done.stdout
        if "put-parameter" in text:
            self._hurry()
        if "run-instances" in text:
            self._end_all_but(self.host)
        if "s3 cp" in text:
            self.sandbox.announcements.wait_for(_is_end, QUIET_SECONDS, told)
        wait_until(self._is_quiet, QUIET_SECONDS)

    def _own_words(self, command: str) -> str:
        outputs = self.sandbox.outputs
        own = {
            "ARTIFACTS": outputs["ArtifactBucket"],
            "STACK": "twinslot",
            "ROLE": self.host.identity.role,
            "i-0123456789abcdef0": self.host.instance_id,
            # Version 1 of the AWS CLI takes a payload as it is, and does not know the option.
            " --cli-binary-format raw-in-base64-out": "",
            # And it asks AWS for queues whatever the environment says (its overridesslcommonname.py).
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

    def _hurry(self) -> None:
        """Twinslot understands the settings that the page writes; they last until their moment is over."""
        found = self.sandbox.client("ssm").get_parameter(Name="/twinslot/apps/shop")
        parse(found["Parameter"]["Value"])
        self.sandbox.set("shop", FAST)

    def _end_all_but(self, host: Host) -> None:
        """How a second host joins is the matter of test_created_host.py, and takes a machine of its own."""
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
    """As docs/getting-started.md deploys it."""
    return {"CreateHost": "yes", "AnnounceTo": "you@example.com"}


@pytest.fixture(scope="module")
def reader(
    sandbox: Sandbox, deployer: Deployer, jar: Jar, tmp_path_factory: pytest.TempPathFactory
) -> Reader:
    """With one release live, so that there is one to go back to after the first command of all."""
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
    told = deployer.deploy(jar("1.4.1"))
    assert told.data["outcome"] == "LIVE", told.text
    # An event that no function understands: a letter for those who read how to read one.
    sandbox.client("lambda").invoke(FunctionName="twinslot-deploy", InvocationType="Event", Payload="[]")
    return Reader(sandbox, host, folder, surroundings(sandbox) | {"HOST": host.instance_id})


def surroundings(sandbox: Sandbox) -> dict[str, str]:
    """What docs/https.md takes for there: a network, a firewall and a certificate."""
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


def tells_of_the_end(page: Page) -> bool:
    return str(page) == LAST


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", sorted(pages(), key=tells_of_the_end), ids=str)
def test_every_command_of_the_page_does_what_it_is_there_for(page: Page, reader: Reader) -> None:
    for block in page.blocks:
        for command in block.commands:
            try:
                reader.type(command, on_host(block))
            except (AssertionError, subprocess.TimeoutExpired) as error:
                raise AssertionError(f"{page}:{block.line}: {error}") from error


def _is_end(announcement: Announcement) -> bool:
    return announcement.data["outcome"] in set(Outcome)


def on_host(block: Block) -> bool:
    """Whether the commands of a block are typed in a shell on a host."""
    return block.kind == "sh host"
