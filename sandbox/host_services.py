"""What an EC2 host finds at its link-local addresses: the instance metadata (version 2), and the service that
its SSM agent talks to. A host is recognised by the address that it asks from.

Metadata: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

import json
import secrets
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.backends import ACCOUNT, REGION
from sandbox.principals import Principal
from sandbox.run_command import RunCommand

TOKEN_HEADER = "x-aws-ec2-metadata-token"
LIFETIME_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
LONGEST_POLL_SECONDS = 20.0


@dataclass(frozen=True)
class Identity:
    """One host: its instance and the role that its instance profile gives it."""

    instance: str
    address: str
    role: str
    credentials: Principal


class HostServices:
    """The server, on `address`; `add` makes a host known to it."""

    def __init__(self, address: str, run_command: RunCommand) -> None:
        self.run_command = run_command
        self.tokens: set[str] = set()
        self._hosts: dict[str, Identity] = {}
        self._server = _Server(address, self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="host-services", daemon=True
        )
        self._thread.start()
        self.endpoint = f"http://{address}:{self._server.server_port}"

    def add(self, identity: Identity) -> None:
        self._hosts[identity.address] = identity

    def remove(self, identity: Identity) -> None:
        self._hosts.pop(identity.address, None)

    def find(self, address: str) -> Identity | None:
        return self._hosts.get(address)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, services: HostServices) -> None:
        super().__init__((address, 0), _Handler)
        self.services = services

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A host that went away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_PUT(self) -> None:
        self.body()
        lifetime = self.headers.get(LIFETIME_HEADER, "")
        if self.path != "/latest/api/token" or self.host() is None:
            self.reply(404)
        elif not lifetime.isdigit() or not 1 <= int(lifetime) <= 21600:
            self.reply(400)
        else:
            token = secrets.token_urlsafe(40)
            self.server.services.tokens.add(token)
            self.reply(200, token, {LIFETIME_HEADER: lifetime})

    def do_GET(self) -> None:
        host = self.host()
        if host is None or not self.path.startswith("/latest/"):
            self.reply(404)
        elif self.headers.get(TOKEN_HEADER) not in self.server.services.tokens:
            self.reply(401)
        else:
            found = _metadata(host).get(self.path.removeprefix("/latest/").rstrip("/"))
            self.reply(200 if found is not None else 404, found or "")

    def do_POST(self) -> None:
        body = json.loads(self.body())
        host, run_command = self.host(), self.server.services.run_command
        if host is None:
            self.reply(404)
        elif self.path == "/agent/poll":
            seconds = min(float(body["seconds"]), LONGEST_POLL_SECONDS)
            orders = run_command.poll(host.instance, body["platform"], seconds, self.connected)
            self.reply(200, json.dumps(orders))
        elif self.path == "/agent/result":
            run_command.report(host.instance, body["command"], body)
            self.reply(200, "{}")
        else:
            self.reply(404)

    def connected(self) -> bool:
        """Whether the caller still waits: an agent that was stopped has closed its connection."""
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def host(self) -> Identity | None:
        return self.server.services.find(self.client_address[0])

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the sandbox tells what happens in its own words."""


def _metadata(host: Identity) -> dict[str, str]:
    """Every category that is served, by its path below /latest."""
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
