"""EC2 and SSM: which hosts an app has, and which of them can be commanded. Used by the fleet and the CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef
    from mypy_boto3_ssm import SSMClient

TAG = "twinslot"
"""The instances of the app `shop` are tagged twinslot=shop."""

MAX_INSTANCE_IDS = 50
"""SendCommand takes at most this many instance ids."""

ONLINE = "Online"
IN_PROGRESS = ("Pending", "InProgress", "Delayed", "Cancelling")
"""The statuses of an invocation that has not ended.
https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html"""


def running_hosts(ec2: EC2Client, app: str) -> list[InstanceTypeDef]:
    """Return the app's running instances as EC2 describes them, by id. Raises ClientError."""
    return running(ec2, {"Name": f"tag:{TAG}", "Values": [app]})


def running(ec2: EC2Client, which: FilterTypeDef) -> list[InstanceTypeDef]:
    """Return the running instances that a filter selects, by id. Raises ClientError."""
    state: FilterTypeDef = {"Name": "instance-state-name", "Values": ["running"]}
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[which, state])
    instances = [
        instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]
    return sorted(instances, key=lambda instance: instance["InstanceId"])


def ping_statuses(ssm: SSMClient, app: str) -> dict[str, str]:
    """Return the ping status of the SSM agent of each host of an app, by instance id. Raises ClientError."""
    pages = ssm.get_paginator("describe_instance_information").paginate(
        Filters=[{"Key": f"tag:{TAG}", "Values": [app]}]
    )
    agents = (agent for page in pages for agent in page["InstanceInformationList"])
    return {agent["InstanceId"]: agent["PingStatus"] for agent in agents}
