"""The methods of a flip that are compared, and the nginx servers whose throughput is compared."""

import base64
import json
from typing import Any, Protocol

from lab.project import PORTS, ROOT
from lab.sandbox.hosts.machine import Machine

# Above every fence of the controller in so short a time.
_FENCE = 1000
_DOCUMENT = ROOT / "host" / "document.json"

RELOAD_PORT = 8090
RELOAD_INCLUDE = "/etc/nginx/service-url.inc"
RELOAD_SERVER = f"""\
server {{
    listen {RELOAD_PORT};
    include {RELOAD_INCLUDE};
    location / {{
        proxy_pass $service_url;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Host $http_host;
    }}
}}
"""
RELOAD_SCRIPT = "/usr/local/bin/switch"
RELOAD_SCRIPT_TEXT = f"""\
#!/bin/sh
echo "set \\$service_url http://127.0.0.1:$1;" > {RELOAD_INCLUDE}
nginx -s reload
"""

PLAIN_PORT = 8091
# The product's server without the check which slot is live. Behind both, nginx itself answers, so that the
# proxy is measured.
PLAIN_SERVER = f"""\
upstream plain {{
    server 127.0.0.1:{PORTS["blue"]} max_fails=0;
    keepalive 64;
    keepalive_requests 10000;
    keepalive_timeout 15s;
}}
map $http_upgrade $plain_connection {{
    default upgrade;
    "" "";
}}
log_format plain '$msec $status $request_time $upstream_response_time "$upstream_addr" '
                 '$remote_addr "$request" $body_bytes_sent "$http_referer" "$http_user_agent"';
server {{
    listen {PLAIN_PORT};
    access_log /var/log/nginx/plain.log plain;
    client_max_body_size 0;
    location / {{
        proxy_pass http://plain;
        proxy_http_version 1.1;
        proxy_connect_timeout 2s;
        proxy_next_upstream error timeout;
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $plain_connection;
    }}
}}
server {{
    listen 127.0.0.1:{PORTS["blue"]};
    listen 127.0.0.1:{PORTS["green"]};
    access_log off;
    keepalive_requests 1000000;
    location / {{
        return 200 "as short as an answer can be\\n";
    }}
}}
"""


class FlipMethod(Protocol):
    """A method to send the requests to the slot with a release."""

    name: str
    port: int

    def flip(self, label: str) -> None:
        """Flip. Raises RuntimeError."""


class Twinslot:
    """The verb flip of the host's program, called as the agent calls it."""

    name = "twinslot"
    port = 80

    def __init__(self, machine: Machine, releases: dict[str, dict[str, Any]]) -> None:
        self._machine = machine
        self._releases = releases
        self._flips = 0
        document = json.loads(_DOCUMENT.read_text())
        machine.write(
            "/root/twinslot", "\n".join(document["mainSteps"][0]["inputs"]["runCommand"]), mode=0o700
        )

    def flip(self, label: str) -> None:
        self._flips += 1
        release = base64.urlsafe_b64encode(json.dumps(self._releases[label]).encode()).decode().rstrip("=")
        parameters = {
            "SSM_verb": "flip",
            "SSM_app": "shop",
            "SSM_step": "flip",
            "SSM_deployment": f"{self._flips:026d}",
            "SSM_fence": str(_FENCE + self._flips),
            "SSM_release": release,
            "SSM_COMMAND_ID": f"00000000-0000-0000-0000-{self._flips:012d}",
            "AWS_SSM_INSTANCE_ID": self._machine.name,
        }
        check_run(self._machine, ["/root/twinslot"], parameters)


class NginxReload:
    """The usual script: it writes an include file that names the port, and reloads nginx."""

    name = "reload"
    port = RELOAD_PORT

    def __init__(self, machine: Machine, ports: dict[str, int], live: str) -> None:
        self._machine = machine
        self._ports = ports
        machine.write(RELOAD_SCRIPT, RELOAD_SCRIPT_TEXT, mode=0o755)
        machine.write("/etc/nginx/conf.d/reload.conf", RELOAD_SERVER)
        self.flip(live)

    def flip(self, label: str) -> None:
        check_run(self._machine, [RELOAD_SCRIPT, str(self._ports[label])])


def check_run(machine: Machine, argv: list[str], env: dict[str, str] | None = None) -> str:
    """Return the output of a command in the machine. Raises RuntimeError."""
    done = machine.run(argv, env=env, timeout_seconds=60)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
