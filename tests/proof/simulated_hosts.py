"""Hosts without machines: they take commands as an SSM agent does and report as docs/host.md says.

A jar is downloaded and an environment read by the host program's own code, with the credentials of a role
that has the template's HostPolicy. A release does not start where its label says "dies", and fails in its
bake where it says "bakes".
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from twinslot_host.aws import s3
from twinslot_host.command.request import Release, Request, read_request
from twinslot_host.slot.environment import read_environment

from lab.sandbox.account import Account
from lab.sandbox.api.principals import Principal
from lab.sandbox.hosts.ec2_host import ASSUMED_BY_EC2
from lab.sandbox.services.imds import Identity
from lab.sandbox.stack.moto_backends import LOCK

ADDRESS = "127.0.0.1"
POLL_SECONDS = 0.05


def instance(aws: Account, tags: Mapping[str, str]) -> str:
    """The id of a running instance with these tags."""
    borne = [{"Key": key, "Value": value} for key, value in tags.items()]
    specification = [{"ResourceType": "instance", "Tags": borne}] if borne else []
    made = aws.client("ec2").run_instances(
        ImageId="ami-1", MinCount=1, MaxCount=1, TagSpecifications=specification
    )
    return str(made["Instances"][0]["InstanceId"])


def host_role(aws: Account, name: str, tags: Mapping[str, str]) -> Principal:
    """Credentials of a new role that has the template's HostPolicy and these tags."""
    iam = aws.client("iam")
    borne = [{"Key": key, "Value": value} for key, value in tags.items()]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=ASSUMED_BY_EC2, Tags=borne)
    iam.attach_role_policy(RoleName=name, PolicyArn=aws.outputs["HostPolicyArn"])
    with LOCK:
        return aws.principals.assume(name, name)


class Hosts:
    """All simulated hosts. What takes a command while they do not `work` answers once they do."""

    def __init__(self, aws: Account) -> None:
        self.aws = aws
        self.work = threading.Event()
        self.work.set()
        self.closing = threading.Event()
        # The metadata service knows a host by its address, and all of these have the same one.
        self.metadata = threading.Lock()
        self.all: list[Host] = []
        self._threads: list[threading.Thread] = []

    def add(self, app: str) -> "Host":
        """One more host of an application, whose agent is online."""
        host = Host(self, app)
        self.all.append(host)
        thread = threading.Thread(target=host.serve, name=f"host-{app}", daemon=True)
        thread.start()
        self._threads.append(thread)
        return host

    def close(self) -> None:
        self.closing.set()
        self.work.set()
        for thread in self._threads:
            thread.join()


class Host:
    """One host, with its two slots: what they hold is (label, SHA-256)."""

    def __init__(self, hosts: Hosts, app: str) -> None:
        self._hosts = hosts
        self._aws = hosts.aws
        self.app = app
        self.instance = instance(self._aws, {"twinslot": app})
        self.role = host_role(self._aws, f"host-{self.instance}", {"twinslot": app})
        self._live: str | None = None
        self._slots: dict[str, tuple[str, str]] = {}
        self.answers: dict[str, str] = {}
        """What it prints for a verb, instead of a report."""
        self._aws.run_command.register(self.instance, ADDRESS, self.instance)
        # It asks at once, and so is online; what State Manager gives it to do is the first that it does.
        self._orders = self._poll(0)

    def serve(self) -> None:
        while not self._hosts.closing.is_set():
            for order in self._orders or self._poll(POLL_SECONDS):
                self._hosts.work.wait()
                request = read_request(order["variables"])
                report = self._report(request, *self._do(request))
                text = self.answers.get(request.verb, json.dumps(report) + "\n")
                result = {"stdout": text, "exit_code": 0 if report["ok"] else 1}
                told = {**result, "stderr": "", "cancelled": False, "timed_out": False}
                self._aws.run_command.report(self.instance, order["command"], told)
            self._orders = []

    def _poll(self, seconds: float) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = self._aws.run_command.poll(
            self.instance, {"AgentVersion": "3.3"}, seconds
        )["run"]
        return orders

    def _do(self, request: Request) -> tuple[str | None, str]:
        """The SHA-256 of the command's release, and why it failed ("": it did not)."""
        if request.release is None:
            return None, ""
        sha256 = self._download(request.release)
        slot = next((name for name, (_, held) in self._slots.items() if held == sha256), None)
        if slot is None:
            slot = "green" if self._live == "blue" else "blue"
            if "dies" in request.release.label:
                return sha256, "it does not start"
            self._slots[slot] = (request.release.label, sha256)
        if request.verb == "flip":
            self._live = slot
        if request.verb == "bake" and "bakes" in request.release.label:
            self._live = "green" if slot == "blue" else "blue"
            return sha256, "it fails while it is watched"
        return sha256, ""

    def _download(self, release: Release) -> str:
        identity = Identity(self.instance, ADDRESS, f"host-{self.instance}", self.role)
        with self._hosts.metadata:
            self._aws.host_services.add(identity)
            read_environment(self.app)
            connection, response = s3.open_object(release)
        with closing(connection):
            return hashlib.sha256(response.read()).hexdigest()

    def _report(self, request: Request, sha256: str | None, reason: str) -> dict[str, Any]:
        slots = {
            name: {
                "release": held,
                "label": label,
                "state": "active",
                "verified": True,
                "pid": 1,
                "restarts": 0,
            }
            for name, (label, held) in self._slots.items()
        }
        fields = {"verb": request.verb, "step": request.step, "deployment": request.deployment}
        return {
            "twinslot": 1,
            "host": self.instance,
            "app": request.app,
            **fields,
            "fence": request.fence,
            "ok": not reason,
            "reason": reason,
            "log": [],
            "live": self._live,
            "standby": False,
            "slots": slots,
            "sha256": sha256,
            "seconds": {},
        }
