"""provision, on a host that is bare at first. These tests build on each other, in this order."""

import socket
from collections.abc import Iterator

import pytest

from lab.sandbox.hosts.machine import Rack
from tests.host.host_fixture import SCRIPT, HostFixture, host_on

CONF = "/etc/nginx/conf.d/twinslot-shop.conf"

# Says what it was asked, and speaks the first words of WebSocket, in place of an app.
ECHO = """
import base64, hashlib, http.server
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            self.send_header("Sec-WebSocket-Accept", accept)
            self.end_headers()
            self.wfile.write(self.rfile.read(5).upper())
            self.close_connection = True
        else:
            body = (self.requestline + "\\n" + str(self.headers)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Echo).serve_forever()
"""

# The parts of Amazon Linux 2023's nginx.conf that meet ours: conf.d, and a server of its own on port 80.
AMAZON_CONF = """
user www-data;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    log_format main '$remote_addr';
    access_log /var/log/nginx/access.log main;
    include /etc/nginx/conf.d/*.conf;
    server {
        listen 80;
        listen [::]:80;
        server_name _;
        root /usr/share/nginx/html;
        error_page 404 /404.html;
        location = /404.html { }
    }
}
"""


@pytest.fixture(scope="module")
def host(rack: Rack) -> Iterator[HostFixture]:
    with host_on(rack, "i-0aaaaaaaaaaaaaaa1") as host_fixture:
        yield host_fixture


def files(host: HostFixture) -> str:
    """Everything that provision may write, with the times of the last change."""
    return host.shell(
        "find /etc/nginx /etc/systemd /opt/twinslot /var/lib/twinslot /etc/passwd -printf '%p %C@ %i\\n'"
    )


def test_an_installation_that_is_cut_does_not_stop_the_next_one(host: HostFixture) -> None:
    assert host.machine.run(["which", "nginx"], timeout_seconds=9).returncode
    unpacked = "/var/lib/dpkg/info/nginx-common.list"
    cutter = f'setsid "$0" & until [ -e {unpacked} ]; do sleep 0.01; done; kill -9 -$!'
    argv = ["bash", "-c", cutter, SCRIPT]
    done = host.machine.run(argv, env=host.environment("provision"), timeout_seconds=60)
    assert done.returncode == 0
    report = host.go("provision")
    assert report["live"] is None
    assert {slot["state"] for slot in report["slots"].values()} == {"inactive"}
    host.until_reloaded()
    assert host.get()[0] == 502


def test_doing_it_again_changes_nothing(host: HostFixture) -> None:
    before = files(host), host.workers()
    report = host.go("provision")
    assert (files(host), host.workers()) == before
    assert report["seconds"] == {}


def test_what_somebody_changed_is_put_back_and_nginx_reloaded(host: HostFixture) -> None:
    first = host.workers()
    host.shell(f"echo 'server {{ listen 81; return 200 mine; }}' >> {CONF}; nginx -s reload")
    host.until_reloaded(first)
    second = host.workers()
    assert host.succeeds("curl", "-sf", "http://127.0.0.1:81/")
    host.go("provision")
    host.until_reloaded(second)
    assert not host.succeeds("curl", "-sf", "http://127.0.0.1:81/")
    assert "mine" not in host.shell(f"cat {CONF}")


def test_a_proxy_that_was_stopped_is_started(host: HostFixture) -> None:
    host.shell("systemctl stop nginx")
    host.go("provision")
    assert host.shell("systemctl is-active nginx") == "active\n"


def test_another_server_name_is_configured(host: HostFixture) -> None:
    host.go("provision", settings={"server_name": "shop.example.com"})
    assert "server_name shop.example.com;" in host.shell(f"cat {CONF}")
    assert host.get()[0] == 502  # any other name comes here too: load balancers ask for health by address
    host.go("provision")


def test_a_configuration_that_nginx_rejects_leaves_the_old_one(host: HostFixture) -> None:
    old = host.shell(f"cat {CONF}")
    host.shell("echo 'nonsense;' > /etc/nginx/conf.d/other.conf")
    report = host.command("provision", settings={"server_name": "shop.example.com"})
    host.shell("rm /etc/nginx/conf.d/other.conf")
    assert not report["ok"]
    assert 'unknown directive "nonsense" in /etc/nginx/conf.d/other.conf:1' in report["reason"]
    assert host.shell(f"cat {CONF}") == old
    assert host.get()[0] == 502
    host.go("provision")


def test_a_default_site_that_somebody_made_theirs_stays(host: HostFixture) -> None:
    site, link = "/etc/nginx/sites-available/default", "/etc/nginx/sites-enabled/default"
    host.shell(f"cp {site} /root/default; echo '# mine' >> {site}; ln -s {site} {link}")
    report = host.command("provision", settings={"server_name": "shop.example.com"})
    assert not report["ok"]
    assert "duplicate default server" in report["reason"]
    assert host.shell(f"readlink {link}").strip() == site
    host.shell(f"cp /root/default {site}")
    host.go("provision", settings={"server_name": "shop.example.com"})
    assert host.machine.run(["readlink", link], timeout_seconds=9).returncode == 1


def test_a_second_app_is_refused(host: HostFixture) -> None:
    report = host.command("provision", app="till")
    assert not report["ok"]
    assert "this host already serves shop" in report["reason"]


def test_only_the_host_itself_may_ask_which_slot_is_live(host: HostFixture) -> None:
    assert host.get("/.twinslot/live")[0] == 404
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/.twinslot/live').read().decode())"
    own = host.shell(f'python3 -c "{ask}"')
    assert "blue shop_blue " in own


@pytest.fixture(scope="module")
def echo(host: HostFixture) -> None:
    """Something that answers on blue's port, where users go as long as nothing is live."""
    host.machine.write("/root/echo.py", ECHO)
    host.shell("systemd-run --quiet --unit=echo python3 /root/echo.py")
    host.until(lambda: host.get()[0] == 200)


@pytest.mark.usefixtures("echo")
def test_the_app_sees_the_user_behind_the_proxy(host: HostFixture) -> None:
    status, _, body = host.get("/a%20b/%2e?c=%2F", Host="shop.example.com", X_Forwarded_For="10.1.1.1")
    lines = body.splitlines()
    own = next(line for line in lines if line.startswith("X-Real-IP: ")).split()[1]
    assert status == 200
    assert lines[0] == "GET /a%20b/%2e?c=%2F HTTP/1.1"
    assert own == host.bucket.server.server_address[0]
    assert "Host: shop.example.com" in lines
    assert f"X-Forwarded-For: 10.1.1.1, {own}" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert not any(line.startswith(("Connection:", "Upgrade:")) for line in lines)


@pytest.mark.usefixtures("echo")
def test_a_load_balancer_that_ended_tls_is_believed(host: HostFixture) -> None:
    assert "X-Forwarded-Proto: https" in host.get("/", X_Forwarded_Proto="https")[2].splitlines()
    assert "X-Forwarded-Proto: http" in host.get("/", X_Forwarded_Proto="gopher")[2].splitlines()


@pytest.mark.usefixtures("echo")
def test_websockets_pass(host: HostFixture) -> None:
    with socket.create_connection((host.machine.address, 80), timeout=5) as user:
        user.sendall(
            b"GET /ws HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = user.recv(4096)
        while b"\r\n\r\n" not in head:
            head += user.recv(4096)
        user.sendall(b"hello")
        said = user.recv(16)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert said == b"HELLO"


@pytest.mark.usefixtures("echo")
def test_the_server_of_amazon_linux_does_not_take_our_traffic(host: HostFixture) -> None:
    host.machine.write("/etc/nginx/nginx.conf", AMAZON_CONF)
    host.shell("systemctl restart nginx")
    host.go("provision")
    assert host.get()[0] == 200
    assert "listen [::]:80 default_server;" in host.shell(f"cat {CONF}")


def test_bad_settings_are_refused_by_name(host: HostFixture) -> None:
    report = host.command("provision", settings={"start_seconds": 4})
    assert not report["ok"]
    assert "settings: start_seconds is 4; it must be a whole number from 5 to 1800" in report["reason"]
