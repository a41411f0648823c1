"""The ways to flip that are compared, and the servers of nginx that the throughput is compared of."""

import base64
import json
from typing import Any, Protocol

from lab.project import PORTS, ROOT
from lab.sandbox.hosts.machine import Machine

# Above every fence that the controller gives out in so short a time.
_FENCE = 1000
_DOCUMENT = ROOT / "host" / "document.json"

USUAL_PORT = 8090
USUAL_INCLUDE = "/etc/nginx/service-url.inc"
USUAL_SERVER = f"""\
server {{
    listen {USUAL_PORT};
    include {USUAL_INCLUDE};
    location / {{
        proxy_pass $service_url;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Host $http_host;
    }}
}}
"""
USUAL_SCRIPT = "/usr/local/bin/switch"
USUAL_SCRIPT_TEXT = f"""\
#!/bin/sh
echo "set \\$service_url http://127.0.0.1:$1;" > {USUAL_INCLUDE}
nginx -s reload
"""

PLAIN_PORT = 8091
# As the product's server, but for the question which slot is live. Behind both, nginx itself answers, so
# that the proxy is what is measured.
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


class Way(Protocol):
    """A way to send the traffic to the slot with a release."""

    name: str
    port: int

    def flip(self, label: str) -> None:
        """Does it. Raises RuntimeError when it fails."""


class Product:
    """The verb flip of the program on the host, as the agent calls it."""

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
        must(self._machine, ["/root/twinslot"], parameters)


class Usual:
    """The script that people write: an include file that names the port, and a reload."""

    name = "reload"
    port = USUAL_PORT

    def __init__(self, machine: Machine, ports: dict[str, int], live: str) -> None:
        self._machine = machine
        self._ports = ports
        machine.write(USUAL_SCRIPT, USUAL_SCRIPT_TEXT, mode=0o755)
        machine.write("/etc/nginx/conf.d/usual.conf", USUAL_SERVER)
        self.flip(live)

    def flip(self, label: str) -> None:
        must(self._machine, [USUAL_SCRIPT, str(self._ports[label])])


def must(machine: Machine, argv: list[str], env: dict[str, str] | None = None) -> str:
    """What a command in the machine says. Raises RuntimeError when it fails."""
    done = machine.run(argv, env=env, timeout_seconds=60)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
