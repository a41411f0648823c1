"""The texts that a host writes: nginx's configuration, units, java's options, the report."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from twinslot.shared.settings_schema import Settings
from twinslot_host.nginx.config import configuration, http2_syntax
from twinslot_host.system.paths import Paths
from twinslot_host.system.systemd import argument_file, unit_files
from twinslot_host.verbs.report import REPORT_BYTES, UNKNOWN_STATUS, compose

SECURE = Settings(tls_certificate="/etc/tls/shop.pem", tls_key="/etc/tls/shop.key")


def test_a_configuration_differs_by_its_digest_when_anything_in_it_does() -> None:
    digests = {
        configuration(Paths(app), Settings(server_name=name), ipv6)[1]
        for app in ("shop", "till")
        for name in ("_", "shop.example.com")
        for ipv6 in (True, False)
    }
    assert len(digests) == 8


@pytest.mark.parametrize(
    ("about", "syntax"),
    [
        ("nginx version: nginx/1.18.0 (Ubuntu)\nconfigure arguments: --with-http_v2_module", "listen"),
        ("nginx version: nginx/1.25.0\nconfigure arguments: --with-http_v2_module", "listen"),
        ("nginx version: nginx/1.25.1\nconfigure arguments: --with-http_v2_module", "directive"),
        ("nginx version: nginx/1.28.0\nconfigure arguments: --with-http_v2_module", "directive"),
        ("nginx version: nginx/1.28.0\nconfigure arguments:", ""),
        ("", ""),
    ],
)
def test_http2_is_asked_for_as_this_nginx_understands_it(about: str, syntax: str) -> None:
    assert http2_syntax(about) == syntax
    text, _ = configuration(Paths("shop"), SECURE, False, syntax)
    assert ("listen 443 ssl http2 default_server;" in text) == (syntax == "listen")
    assert ("http2 on;" in text) == (syntax == "directive")


def test_without_a_certificate_there_is_no_tls() -> None:
    plain, _ = configuration(Paths("shop"), Settings(), True, "directive")
    assert not re.search("443 ssl|ssl_|http2|308", plain)
    secure, _ = configuration(Paths("shop"), SECURE, True, "directive")
    assert "listen [::]:443 ssl default_server;" in secure
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in secure


def test_names_of_nginx_carry_the_app() -> None:
    text, digest = configuration(Paths("my-shop"), Settings(), True)
    assert "upstream my-shop_green_backed {" in text
    assert "log_format twinslot_my_shop " in text
    assert f"{digest}\\n" in text
    assert "@" not in text.replace("@application", "")


@pytest.mark.parametrize("app", ["shop", "a" * 30])
def test_the_apps_user_fits_into_what_linux_allows(app: str) -> None:
    paths = Paths(app)
    assert len(paths.user()) <= 31
    assert paths.user().startswith("twinslot-a" if app[0] == "a" else "twinslot-shop")


def test_two_long_names_have_two_users() -> None:
    assert Paths("a" * 29 + "b").user() != Paths("a" * 30).user()


def test_units_have_no_gap_left() -> None:
    for text in unit_files(Paths("shop")).values():
        # systemd's own names look like @…@ nowhere in these; java's @file does, and stays.
        assert "@" not in text.replace("java @/opt/twinslot/shop/slots/%i.args", "")


@pytest.mark.needs("java")
def test_java_reads_its_options_as_they_were_given(tmp_path: Path) -> None:
    options = ('-Da=b c"d', "-De=\\f #g", "-Dh=@i", "-Dj='k'")
    (tmp_path / "args").write_text(argument_file(options))
    shown = subprocess.run(
        ["java", f"@{tmp_path}/args", "-XshowSettings:properties", "-version"], capture_output=True, text=True
    )
    for option in options:
        name, _, value = option.removeprefix("-D").partition("=")
        assert f"    {name} = {value}\n" in shown.stderr


def test_a_report_fits_and_keeps_the_newest_lines() -> None:
    lines = [f"{number} \x1b[31m" + "ü" * 400 for number in range(99)]
    text = compose(UNKNOWN_STATUS, False, "a\nb" + "c" * 400, lines).text
    report = json.loads(text)
    assert len(text.encode()) <= REPORT_BYTES
    assert text.isprintable()
    assert len(report["reason"]) == 300
    assert report["reason"].startswith("a?bc")
    assert report["log"][-1].startswith("98 ?[31mü")


def test_a_report_without_trouble_is_short() -> None:
    assert json.loads(compose({}, True, "", []).text)["log"] == []
