"""What is read out of the configuration that nginx prints: who goes before us, and whose users come to us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot_host.nginx.sites import rivals_in, sites_replaced_in

CONF = "/etc/nginx/conf.d/twinslot-shop.conf"
SITE = "/etc/nginx/conf.d/shop.conf"
WORDS = st.sampled_from(
    ["server", "listen", "80", "{", "}", ";", "include", "/etc/*", "proxy_pass", '"', "'", "${a}", "#", "\n"]
)


@pytest.mark.parametrize(
    ("listen", "claims"),
    [
        ("80 default_server", True),
        ("[::]:80 default_server", True),
        ("10.0.0.5:80", True),
        ("127.0.0.1", True),
        ("localhost:80", True),
        ("80", False),
        ("*:80", False),
        ("0.0.0.0:80", False),
        ("[::]:80 ipv6only=on", False),
        ("8080 default_server", False),
        ("443 ssl default_server", False),
        ("unix:/run/nginx.sock", False),
    ],
)
def test_a_server_that_goes_before_ours_on_port_80_is_found(listen: str, claims: bool) -> None:
    text = f"""# configuration file /etc/nginx/nginx.conf:
    # listen 80 default_server;
    server {{ listen {listen}; }}
# configuration file {CONF}:
    listen 80 default_server;
"""
    found = [f"`listen {listen}` in /etc/nginx/nginx.conf"] if claims else []
    assert rivals_in(text, CONF) == found


def site(text: str, *others: str) -> str:
    """What `nginx -T` prints where this is the other site."""
    return "\n".join(
        [
            "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok",
            f"# configuration file {SITE}:",
            text,
            *others,
            f"# configuration file {CONF}:",
            "server { listen 80 default_server; location / { proxy_pass http://$group; } }",
        ]
    )


PASS = "location / { proxy_pass $service_url; }"


@pytest.mark.parametrize(
    ("text", "comes"),
    [
        (f"server {{ listen 80; server_name _; {PASS} }}", True),
        (f"server {{ listen 80; {PASS} }}", True),
        (f"server {{ {PASS} }}", True),
        (f"server {{ listen [::]:80; listen 80; {PASS} }}", True),
        (f"server {{ listen 80; server_name shop.example.com; {PASS} }}", True),
        ("server { listen 80; location ~ \\.php$ { fastcgi_pass unix:/run/php.sock; } }", True),
        (f"server {{ listen 80; server_name other.example.com; {PASS} }}", False),
        (f"server {{ listen 10.0.0.5:80; {PASS} }}", False),
        (f"server {{ listen 8080; {PASS} }}", False),
        ("server { listen 80; server_name _; root /usr/share/nginx/html; }", False),
        (f"# server {{ listen 80; {PASS} }}", False),
        ("upstream shop { server 127.0.0.1:80; } server { listen 80; return 404; }", False),
        (f"server {{ listen 8080; {PASS} }} server {{ listen 80; root /srv; }}", False),
    ],
)
def test_a_process_whose_users_would_come_to_us_is_found(text: str, comes: bool) -> None:
    assert sites_replaced_in(site(text), CONF, ["shop.example.com"]) == ([SITE] if comes else [])


@pytest.mark.parametrize("name", ["/etc/nginx/snippets/app.conf", "snippets/app.conf", "snippets/*.conf"])
def test_a_process_in_an_included_file_is_found(name: str) -> None:
    included = ["# configuration file /etc/nginx/snippets/app.conf:", PASS]
    assert sites_replaced_in(site(f"server {{ include {name}; }}", *included), CONF, ["_"]) == [SITE]


@given(st.lists(WORDS, max_size=30))
def test_no_text_breaks_the_reading(words: list[str]) -> None:
    text = site(" ".join(words))
    rivals_in(text, CONF)
    sites_replaced_in(text, CONF, ["_"])
