"""The text of nginx's configuration: a file is asked at every request, so a flip needs no reload."""

from __future__ import annotations

import hashlib

from twinslot_host.places import OTHER, PORTS, Places
from twinslot_host.request import Settings
from twinslot_host.units import fill

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
# Written by twinslot: provision puts it back.
# Tomcat closes a connection after 20 s idle: we have to be first, or a POST meets a closed one.
@upstreams@
map $http_upgrade $@name@_connection {
    default upgrade;
    "" "";
}
# A load balancer that ended TLS says so.
map $http_x_forwarded_proto $@name@_proto {
    default $scheme;
    https https;
}
# bake reads the first three fields: time, slot, status.
log_format @name@ '$msec $@name@_slot $status $request_time $upstream_response_time "$upstream_addr" '
                  '$remote_addr "$request" $body_bytes_sent "$http_referer" "$http_user_agent"';

server {
@listen@
    server_name @server_name@;
    access_log @access_log@ @name@;
    client_max_body_size 0;
    # Every request asks these files anew: a flip is one rename, and takes no reload.
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

    # Which slot is live, and by which configuration. `return` comes before allow and deny, hence the test.
    location = @live_path@ {
        access_log off;
        default_type text/plain;
        if ($remote_addr !~ "^(127\\.|::1$)") {
            return 404;
        }
        return 200 "$@name@_slot $@name@_group @digest@\\n";
    }
    location / {
        proxy_pass http://$@name@_group;
        proxy_http_version 1.1;
        proxy_connect_timeout 2s;
        proxy_next_upstream error timeout;
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $@name@_proto;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $@name@_connection;
    }
}
"""


def configuration(places: Places, settings: Settings, ipv6: bool) -> tuple[str, str]:
    """The proxy's configuration and its digest, by which nginx tells that it runs this very text."""
    upstreams = "".join(
        fill(UPSTREAM, {"slot": slot, "port": str(port), "other_port": str(PORTS[OTHER[slot]])})
        for slot, port in PORTS.items()
    )
    listen = ["listen 80 default_server;", "listen [::]:80 default_server;"][: 2 if ipv6 else 1]
    values = {
        "upstreams": upstreams,
        "listen": "\n".join("    " + line for line in listen),
        "server_name": settings.server_name,
        "access_log": places.access_log,
        "green": places.green,
        "standby": places.standby,
        "live_path": LIVE_PATH,
        "name": "twinslot_" + places.app.replace("-", "_"),
        "app": places.app,
    }
    text = fill(SERVER, values)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return text.replace("@digest@", digest), digest
