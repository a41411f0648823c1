"""Settings are read against one table; what is not in it is refused by name."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from twinslot.domain.model import Settings
from twinslot.errors import BadSettings, GiveUp
from twinslot.intake.settings import DEFINITIONS, page, parse
from twinslot.wiring import Environment

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_no_parameter_means_the_defaults() -> None:
    assert parse(None) == parse("{}") == Settings()


def test_every_setting_can_be_set() -> None:
    values: dict[str, Any] = {
        "health_path": "/ready?full=1",
        "start_seconds": 5,
        "bake_seconds": 1800,
        "bake_error_percent": 0,
        "keep_warm_seconds": 86400,
        "java_options": ["-Xmx512m", "-Dgreeting=hello world", "-XX:+UseZGC"],
        "server_name": "*.shop.example.com",
        "management_port": 9090,
        "java": 25,
        "tls_certificate": "/etc/letsencrypt/live/shop.example.com/fullchain.pem",
        "tls_key": "/etc/letsencrypt/live/shop.example.com/privkey.pem",
    }
    assert set(values) == {field.name for field in fields(Settings)}
    assert parse(json.dumps(values)) == Settings(**values | {"java_options": tuple(values["java_options"])})


def test_the_table_defines_every_setting_and_takes_its_default() -> None:
    defaults = {field.name: getattr(Settings(), field.name) for field in fields(Settings)}
    assert [definition.name for definition in DEFINITIONS] == list(defaults)
    for definition in DEFINITIONS:
        assert definition.accepts(json.loads(json.dumps(defaults[definition.name])))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("health_path", "actuator/health"),
        ("health_path", ""),
        ("health_path", "/a b"),
        ("health_path", "/a\n"),
        ("health_path", "/$(id)"),
        ("health_path", "/" + "a" * 200),
        ("health_path", 1),
        ("health_path", None),
        ("start_seconds", 4),
        ("start_seconds", 1801),
        ("start_seconds", 60.0),
        ("start_seconds", "60"),
        ("start_seconds", True),
        ("bake_seconds", 0),
        ("bake_seconds", 1801),
        ("bake_error_percent", -1),
        ("bake_error_percent", 101),
        ("keep_warm_seconds", -1),
        ("keep_warm_seconds", 86401),
        ("java_options", "-Xmx512m"),
        ("java_options", ["Xmx512m"]),
        ("java_options", ["-"]),
        ("java_options", ["-Da=b\nc"]),
        ("java_options", ["-D" + "x" * 199]),
        ("java_options", ["-Xa"] * 21),
        ("java_options", [1]),
        ("server_name", ""),
        ("server_name", "a b"),
        ("server_name", "a;b"),
        ("server_name", "a\n"),
        ("server_name", "~^x"),
        ("server_name", ".".join(["a" * 60] * 5)),
        ("management_port", 1023),
        ("management_port", 65001),
        ("management_port", 8080),
        ("management_port", 8081),
        ("management_port", 8082),
        ("management_port", "9090"),
        ("management_port", False),
        ("java", 11),
        ("java", 22),
        ("java", "17"),
        ("java", 17.0),
        ("java", True),
        ("tls_certificate", ""),
        ("tls_certificate", "cert.pem"),
        ("tls_certificate", "/"),
        ("tls_certificate", "/etc//cert.pem"),
        ("tls_certificate", "/etc/../cert.pem"),
        ("tls_certificate", "/etc/./cert.pem"),
        ("tls_certificate", "/etc/cert.pem/"),
        ("tls_certificate", "/etc/cert.pem\n"),
        ("tls_certificate", "/etc/my cert.pem"),
        ("tls_certificate", "/etc/a;b"),
        ("tls_certificate", "/etc/$host"),
        ("tls_key", "/" + "a" * 255),
        ("tls_key", ["/etc/key.pem"]),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_the_key_the_value_and_what_is(
    name: str, value: object
) -> None:
    with pytest.raises(BadSettings) as raised:
        parse(json.dumps({"bake_seconds": 10} | {name: value}))
    sentence = str(raised.value)
    assert sentence.startswith(f"{name} is ")
    assert "; it must be " in sentence
    assert sentence.isprintable()
    if isinstance(value, int):
        assert json.dumps(value) in sentence


@pytest.mark.parametrize(
    ("there", "absent"), [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")]
)
def test_a_certificate_without_its_key_is_refused_and_so_is_a_key_alone(there: str, absent: str) -> None:
    with pytest.raises(BadSettings, match=f"{there} is set and {absent} is not; set both or neither"):
        parse(json.dumps({there: "/etc/tls/shop.pem", absent: None}))


def test_an_unknown_key_is_refused_by_name_with_the_known_ones() -> None:
    with pytest.raises(BadSettings, match=r'no setting "helth_path"; there are health_path, start_seconds'):
        parse('{"helth_path": "/"}')


def test_a_key_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(BadSettings, match='"bake_seconds" twice'):
        parse('{"bake_seconds": 1, "start_seconds": 5, "bake_seconds": 2}')


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '"x"', '{"bake_seconds": NaN}', "[" * 4000, "\x00"]
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(BadSettings) as raised:
        parse(text)
    assert str(raised.value).isprintable()


def test_the_page_in_docs_is_the_table() -> None:
    assert DOCUMENT.read_text() == page()


VARIABLES = {
    "TABLE": "table",
    "TOPIC": "topic",
    "DOCUMENT": "document",
    "DOCUMENT_VERSION": "$LATEST",
    "ROLLBACK_FUNCTION": "rollback",
    "FREEZE_FUNCTION": "freeze",
}


def test_the_environment_is_read_from_its_variables() -> None:
    assert Environment.read(VARIABLES | {"PATH": "/bin", "DEFAULT_APP": "shop"}) == Environment(
        "table", "topic", "document", "$LATEST", "rollback", "freeze", "shop"
    )


def test_no_default_app_means_none() -> None:
    assert Environment.read(VARIABLES).default_app == ""


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(GiveUp, match="lacks TOPIC, DOCUMENT_VERSION;"):
        Environment.read(VARIABLES | {"TOPIC": "", "DOCUMENT_VERSION": ""})
