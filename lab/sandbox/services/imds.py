"""What an EC2 host finds at link-local addresses: the instance metadata (IMDSv2), and the service that its
SSM agent polls. A host is identified by its address.

Metadata: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

import json
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lab.sandbox.api.principals import Principal
from lab.sandbox.api.server import Handler, Server
from lab.sandbox.services.run_command import RunCommand
from lab.sandbox.stack.moto_backends import ACCOUNT, REGION

TOKEN_HEADER = "x-aws-ec2-metadata-token"
LIFETIME_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
PLAIN = {"Content-Type": "text/plain"}
MAX_POLL_SECONDS = 20.0


@dataclass(frozen=True)
class Identity:
    """One host: its instance, and the role of its instance profile."""

    instance: str
    address: str
    role: str
    credentials: Principal


class HostServices:
    """The server, on `address`; `add` registers a host."""

    def __init__(self, address: str, run_command: RunCommand) -> None:
        self.run_command = run_command
        self.tokens: set[str] = set()
        self._hosts: dict[str, Identity] = {}
        self._server = Server(address, self, _Handler, "host-services")
        self._server.start()
        self.endpoint = self._server.endpoint

    def add(self, identity: Identity) -> None:
        self._hosts[identity.address] = identity

    def remove(self, identity: Identity) -> None:
        self._hosts.pop(identity.address, None)

    def find(self, address: str) -> Identity | None:
        return self._hosts.get(address)

    def close(self) -> None:
        self._server.close()


class _Handler(Handler):
    server: Server[HostServices]

    def do_PUT(self) -> None:
        self.body()
        lifetime = self.headers.get(LIFETIME_HEADER, "")
        if self.path != "/latest/api/token" or self.host() is None:
            self.reply_text(404)
        elif not lifetime.isdigit() or not 1 <= int(lifetime) <= 21600:
            self.reply_text(400)
        else:
            token = secrets.token_urlsafe(40)
            self.server.owner.tokens.add(token)
            self.reply(200, token.encode(), {**PLAIN, LIFETIME_HEADER: lifetime})

    def do_GET(self) -> None:
        host = self.host()
        if host is None or not self.path.startswith("/latest/"):
            self.reply_text(404)
        elif self.headers.get(TOKEN_HEADER) not in self.server.owner.tokens:
            self.reply_text(401)
        else:
            found = _metadata(host).get(self.path.removeprefix("/latest/").rstrip("/"))
            self.reply_text(200 if found is not None else 404, found or "")

    def do_POST(self) -> None:
        body = json.loads(self.body())
        host, run_command = self.host(), self.server.owner.run_command
        if host is None:
            self.reply_text(404)
        elif self.path == "/agent/poll":
            seconds = min(float(body["seconds"]), MAX_POLL_SECONDS)
            orders = run_command.poll(host.instance, body["platform"], seconds, self.connected)
            self.reply_text(200, json.dumps(orders))
        elif self.path == "/agent/result":
            run_command.report(host.instance, body["command"], body)
            self.reply_text(200, "{}")
        else:
            self.reply_text(404)

    def connected(self) -> bool:
        """Return whether the caller still waits: an agent that was stopped has closed its connection."""
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def host(self) -> Identity | None:
        return self.server.owner.find(self.client_address[0])

    def reply_text(self, status: int, text: str = "") -> None:
        self.reply(status, text.encode(), PLAIN)


def _metadata(host: Identity) -> dict[str, str]:
    """Return every supported category by its path below /latest."""
    now = datetime.now(UTC).replace(microsecond=0)
    credentials = {
        "Code": "Success",
        "LastUpdated": now.isoformat().replace("+00:00", "Z"),
        "Type": "AWS-HMAC",
        "AccessKeyId": host.credentials.access_key,
        "SecretAccessKey": host.credentials.secret,
        "Token": host.credentials.token,
        "Expiration": (now + timedelta(hours=6)).isoformat().replace("+00:00", "Z"),
    }
    document = {
        "accountId": ACCOUNT,
        "availabilityZone": f"{REGION}a",
        "instanceId": host.instance,
        "privateIp": host.address,
        "region": REGION,
    }
    return {
        "dynamic/instance-identity/document": json.dumps(document),
        "meta-data/iam/security-credentials": host.role,
        f"meta-data/iam/security-credentials/{host.role}": json.dumps(credentials),
        "meta-data/instance-id": host.instance,
        "meta-data/local-ipv4": host.address,
        "meta-data/placement/availability-zone": f"{REGION}a",
        "meta-data/placement/region": REGION,
    }
