"""A host of the sandbox: an EC2 instance for the API, and a machine with an SSM agent."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.sandbox.account import Account
from lab.sandbox.hosts.machine import Machine, Rack
from lab.sandbox.services.imds import Identity
from lab.sandbox.stack.moto_backends import LOCK, REGION

AGENT = Path(__file__).with_name("ssm_agent.py")
AGENT_IN_MACHINE = "/usr/local/lib/amazon-ssm-agent/agent.py"
AGENT_UNIT = "amazon-ssm-agent.service"
ONLINE_SECONDS = 30

ASSUMED_BY_EC2 = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
    ' "Principal": {"Service": "ec2.amazonaws.com"}}]}'
)


@dataclass(frozen=True)
class Host:
    """One host of an application. `address` is where its port 80 is."""

    app: str
    instance_id: str
    address: str
    machine: Machine
    identity: Identity

    @property
    def access_log(self) -> Path:
        """The path, on this machine, of nginx's log for the application (docs/host.md)."""
        return self.machine.directory / "root" / "var" / "log" / "nginx" / f"twinslot-{self.app}.log"

    def stop_agent(self) -> None:
        """Stop the agent; it stays stopped until `start_agent`."""
        self.machine.run(["systemctl", "stop", AGENT_UNIT], timeout_seconds=30)

    def start_agent(self) -> None:
        self.machine.run(["systemctl", "start", AGENT_UNIT], timeout_seconds=30)


def launch(aws: Account, rack: Rack, app: str, tags: Mapping[str, str]) -> Host:
    """Launch a host with these tags and the role that the template intends; wait until its agent is online.

    Raises TimeoutError when the machine does not boot or its agent does not come online.
    """
    return boot(aws, rack, _instance(aws, app, tags))


def boot(aws: Account, rack: Rack, instance: str, *, java: bool = True) -> Host:
    """Boot the machine of an EC2 instance with the role of its instance profile; wait until its agent is
    online. Without `java`, it has to install one.

    Raises RuntimeError when the instance has no role, TimeoutError as `launch` does.
    """
    app, role = _described(aws, instance)
    files = {AGENT_IN_MACHINE: AGENT.read_text(), f"/etc/systemd/system/{AGENT_UNIT}": _unit(aws)}
    machine = rack.boot(instance, files=files, units=[AGENT_UNIT], java=java)
    aws.stack.address_given(instance, machine.address)
    with LOCK:
        credentials = aws.principals.assume(role, instance)
    identity = Identity(instance, machine.address, role, credentials)
    aws.host_services.add(identity)
    aws.run_command.register(instance, machine.address, instance)
    host = Host(app, instance, machine.address, machine, identity)
    _wait_until_online(aws, host)
    return host


def terminate(aws: Account, host: Host) -> None:
    """Terminate the instance for EC2 and SSM, and power off its machine."""
    aws.host_services.remove(host.identity)
    aws.run_command.forget(host.instance_id)
    aws.client("ec2").terminate_instances(InstanceIds=[host.instance_id])
    host.machine.kill()


def _described(aws: Account, instance: str) -> tuple[str, str]:
    """Return an instance's application and role from EC2 and IAM."""
    (reservation,) = aws.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    (described,) = reservation["Instances"]
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    profile = described.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2]
    if not profile:
        raise RuntimeError(f"{instance} has no instance profile: an agent needs a role")
    (role,) = aws.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]
    return tags.get("twinslot", ""), role["RoleName"]


def _instance(aws: Account, app: str, tags: Mapping[str, str]) -> str:
    """Create an EC2 instance with an instance profile and role; return its id."""
    ec2, iam = aws.client("ec2"), aws.client("iam")
    instance_tags = [{"Key": key, "Value": value} for key, value in {"twinslot": app, **tags}.items()]
    made = ec2.run_instances(
        ImageId="ami-00000000000000000",
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": instance_tags}],
    )
    instance: str = made["Instances"][0]["InstanceId"]
    role = f"host-{instance}"
    # The description of the output HostPolicyArn: the role needs the application's tag, too.
    role_tags = [{"Key": "twinslot", "Value": app}]
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=ASSUMED_BY_EC2, Tags=role_tags)
    iam.attach_role_policy(RoleName=role, PolicyArn=aws.outputs["HostPolicyArn"])
    iam.create_instance_profile(InstanceProfileName=role)
    iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)
    ec2.associate_iam_instance_profile(IamInstanceProfile={"Name": role}, InstanceId=instance)
    return instance


def _unit(aws: Account) -> str:
    """Return the agent's unit.

    Its scripts inherit the standard variables by which AWS's clients use the sandbox; processes that a script
    leaves running outlive the agent, as with the real one.
    """
    variables = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.host_services.endpoint,
    }
    lines = [
        "[Unit]",
        "Description=SSM agent",
        "[Service]",
        *(f"Environment={name}={value}" for name, value in variables.items()),
        f"ExecStart=/usr/bin/env python3 {AGENT_IN_MACHINE} {aws.host_services.endpoint}",
        "Restart=always",
        "KillMode=process",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _wait_until_online(aws: Account, host: Host) -> None:
    deadline = time.monotonic() + ONLINE_SECONDS
    while host.instance_id not in aws.run_command.agents():
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"the agent on {host.instance_id} did not come online:\n{host.machine.console[-2000:]}"
            )
        time.sleep(0.02)
