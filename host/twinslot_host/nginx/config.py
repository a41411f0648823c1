"""nginx's configuration. nginx checks a file at every request, so that a flip needs no reload."""

from __future__ import annotations

import hashlib
import re

from twinslot.shared.constants import PORTS
from twinslot.shared.settings_schema import Settings

from twinslot_host.system.paths import OTHER, Paths
from twinslot_host.system.systemd import fill

LIVE_PATH = "/.twinslot/live"


UPSTREAM = """\
upstream @app@_@slot@ {
    server 127.0.0.1:@port@ max_fails=0;
    keepalive 64;
    keepalive_requests 10000;
    keepalive_timeout 15s;
}
upstream @app@_@slot@_backed {
    server 127.0.0.1:@port@ max_fails=0;
    server 127.0.0.1:@other_port@ max_fails=0 backup;
    keepalive 64;
    keepalive_requests 10000;
    keepalive_timeout 15s;
}
"""


SERVER = """\
# Written by twinslot: provision restores it.
# Tomcat closes an idle connection after 20 s: close it earlier, or a POST can meet a closed one.
@upstreams@
map $http_upgrade $@name@_connection {
    default upgrade;
    "" "";
}
# A load balancer that terminates TLS sends these headers: the scheme, and its port that users connected to.
map $http_x_forwarded_proto $@name@_proto {
    default $scheme;
    https https;
}
map $@name@_proto $@name@_own_port {
    default 80;
    https 443;
}
map "$@name@_proto:$http_x_forwarded_proto:$http_x_forwarded_port" $@name@_port {
    default $@name@_own_port;
    "~^(https?):\\1:([1-9][0-9]{0,4})$" $2;
}
# bake reads the first three fields: time, slot, status.
log_format @name@ '$msec $@name@_slot $status $request_time $upstream_response_time "$upstream_addr" '
                  '$remote_addr "$request" $body_bytes_sent "$http_referer" "$http_user_agent"';

server {
@listen@
    server_name @server_name@;
@tls@\
    access_log @access_log@ @name@;
    client_max_body_size 0;
    # Every request checks these files again: a flip is one rename, and needs no reload.
    open_file_cache off;
    set $@name@_slot blue;
    set $@name@_other green;
    if (-e @green@) {
        set $@name@_slot green;
        set $@name@_other blue;
    }
    set $@name@_group @app@_$@name@_slot;
    if (-e @standby@/$@name@_other) {
        set $@name@_group @app@_${@name@_slot}_backed;
    }

    # The live slot and the running configuration. `return` precedes allow and deny, hence the condition.
    location = @live_path@ {
        access_log off;
        default_type text/plain;
        if ($remote_addr !~ "^(127\\.|::1$)") {
            return 404;
        }
        return 200 "$@name@_slot $@name@_group @digest@\\n";
    }
    # Certificate authorities request these files: certbot --webroot writes them here.
    location ^~ /.well-known/acme-challenge/ {
        root @acme@;
        default_type text/plain;
        try_files $uri @application;
    }
    location / {
@pass@
    }
    location @application {
@pass@
    }

    proxy_http_version 1.1;
    proxy_connect_timeout 2s;
    proxy_next_upstream error timeout;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $@name@_proto;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Forwarded-Port $@name@_port;
    # Frameworks prefer it to all of these, and any client can send it.
    proxy_set_header Forwarded "";
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $@name@_connection;
}
"""


# Mozilla's intermediate configuration 5.7, without the ciphers that need Diffie-Hellman parameters.
TLS = """\
    ssl_certificate @certificate@;
    ssl_certificate_key @key@;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers @ciphers@;
    ssl_prefer_server_ciphers off;
    ssl_session_cache shared:@name@:10m;
    ssl_session_timeout 1d;
    ssl_session_tickets off;
"""
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)


# The log has no slot here: no slot answered a redirected request.
REDIRECT = """\
        if ($@name@_proto = http) {
            set $@name@_slot -;
            return 308 https://$host$request_uri;
        }
"""


def http2_syntax(about: str) -> str:
    """Return how HTTP/2 is configured in this nginx, by the output of `nginx -V`.

    "directive" since 1.25.1, "listen" before, "" when it is not supported.
    """
    version = re.search(r"nginx/([0-9]+)\.([0-9]+)\.([0-9]+)", about)
    if not version or "--with-http_v2_module" not in about:
        return ""
    return "directive" if tuple(map(int, version.groups())) >= (1, 25, 1) else "listen"


def listening(ipv6: bool, tls: bool, http2: str) -> str:
    """Return the directives for the server's ports. `http2` is the result of http2_syntax."""
    flags = {
        80: "default_server",
        443: "ssl http2 default_server" if http2 == "listen" else "ssl default_server",
    }
    addresses = ["", "[::]:"] if ipv6 else [""]
    ports = [80, 443] if tls else [80]
    lines = [f"listen {address}{port} {flags[port]};" for port in ports for address in addresses]
    if tls and http2 == "directive":
        lines.append("http2 on;")
    return "\n".join("    " + line for line in lines)


def configuration(paths: Paths, settings: Settings, ipv6: bool, http2: str = "") -> tuple[str, str]:
    """Return nginx's configuration and its digest, which nginx answers while it runs exactly this text.

    `http2` is the result of http2_syntax; it has an effect only with TLS.
    """
    upstreams = "".join(
        fill(UPSTREAM, {"slot": slot, "port": str(port), "other_port": str(PORTS[OTHER[slot]])})
        for slot, port in PORTS.items()
    )
    tls = bool(settings.tls_certificate)
    values = {
        "upstreams": upstreams,
        "listen": listening(ipv6, tls, http2),
        "tls": TLS if tls else "",
        "pass": (REDIRECT if tls else "") + "        proxy_pass http://$@name@_group;",
        "certificate": settings.tls_certificate or "",
        "key": settings.tls_key or "",
        "ciphers": ":".join(CIPHERS),
        "acme": paths.acme,
        "server_name": settings.server_name,
        "access_log": paths.access_log,
        "green": paths.green,
        "standby": paths.standby,
        "live_path": LIVE_PATH,
        "name": "twinslot_" + paths.app.replace("-", "_"),
        "app": paths.app,
    }
    text = fill(SERVER, values)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return text.replace("@digest@", digest), digest
