"""Settings are read against one table; what is not in it is refused by name."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.aws.codec import decode_fields, encode_fields
from twinslot.errors import BadSettings, GiveUp
from twinslot.intake.settings import page, parse
from twinslot.shared import settings_schema
from twinslot.shared.settings_schema import SETTINGS, Settings, accepted
from twinslot.wiring import Environment
from twinslot_host.command.request import read_settings
from twinslot_host.system.errors import NotExecuted

from tests.hostile import JSON, TEXT
from tests.unit.test_host_request import encoded

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
    assert list(SETTINGS) == list(defaults)
    for name, setting in SETTINGS.items():
        assert setting.rule.accepts(json.loads(json.dumps(defaults[name])))


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


BOUNDARIES: list[tuple[str, list[Any], list[Any]]] = [
    (
        "health_path",
        ["/", "/ready?full=1", "/" + "a" * 199],
        ["", "health", "/a~b", "/a:b", "/a@b", "/a%20b", "/$(id)", "/a*b", "/" + "a" * 200, "/ü", None],
    ),
    ("start_seconds", [5, 1800], [0, 1, 4, 1801, 3600, 5.0, True, None]),
    ("bake_seconds", [1, 1800], [-1, 0, 1801, 3600, None]),
    ("bake_error_percent", [0, 100], [-1, 101, None]),
    ("keep_warm_seconds", [0, 86400], [-1, 86401, 604800, None]),
    (
        "java_options",
        [[], ["-Xmx1g"], ["-Da=b c"], ["-Xa"] * 20, ["-D" + "x" * 198]],
        [["Xmx1g"], ["-"], ["@file"], ["- x"], ["-Dü=1"], ["-Xa"] * 21, ["-D" + "x" * 199], [1], "-Xa", None],
    ),
    (
        "server_name",
        ["_", "a", "A.b", "*.a.b", "a" * 63],
        ["a b", "_ a", "-a", ".a", "a.", "a..b", "a_b", "*", "a.*", "a" * 64, "", None],
    ),
    ("management_port", [None, 1024, 8079, 8083, 65000], [80, 1023, 8080, 8081, 8082, 65001, 65534, "9090"]),
    ("java", [None, 17, 21, 25], [8, 26, "17", True]),
]
"""Values at the edge of each rule. The two schemas that this one replaced, the controller's and the host's,
judged 40 of 136 such values differently: each of the 40 was allowed by the host alone, and is refused now."""


def is_allowed_by_the_controller(values: dict[str, Any]) -> bool:
    try:
        parse(json.dumps(values))
    except BadSettings:
        return False
    return True


def is_allowed_by_the_host(values: dict[str, Any]) -> bool:
    try:
        read_settings(encoded(values))
    except NotExecuted:
        return False
    return True


@pytest.mark.parametrize(("name", "allowed", "refused"), BOUNDARIES)
def test_controller_and_host_allow_the_same_values(name: str, allowed: list[Any], refused: list[Any]) -> None:
    for values, expected in ((allowed, True), (refused, False)):
        for value in values:
            assert is_allowed_by_the_controller({name: value}) == expected, value
            assert is_allowed_by_the_host({name: value}) == expected, value


@pytest.mark.hostile("settings")
@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(list(SETTINGS)), JSON | st.integers(0, 70_000), max_size=2))
def test_controller_and_host_agree_about_any_values(values: dict[str, Any]) -> None:
    assert is_allowed_by_the_controller(values) == is_allowed_by_the_host(values)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(list(SETTINGS)) | TEXT, JSON | st.integers(0, 70_000), max_size=4))
def test_stored_settings_of_any_version_are_read(values: dict[str, Any]) -> None:
    """What is unknown is ignored, and what is not allowed has its default; the rest is as it was stored."""
    read = accepted(values)
    assert parse(json.dumps(asdict(read))) == read
    for name in SETTINGS:
        stored = {other: values[other] for other in (name, "tls_certificate", "tls_key") if other in values}
        if name in values and is_allowed_by_the_controller(stored):
            assert json.loads(json.dumps(getattr(read, name))) == values[name]


@pytest.mark.parametrize("values", [None, [], "x", {"tls_key": "/key.pem"}, {"bake_seconds": 0}])
def test_what_holds_no_allowed_settings_means_the_defaults(values: Any) -> None:
    assert accepted(values) == Settings()


def test_a_new_setting_is_one_entry_in_the_schema() -> None:
    """With one more field, validation, stored JSON, DynamoDB's attributes and the page all have it."""
    entry = 'colour: str = setting("blue", text("[a-z]+", "lower-case letters"), "The colour.")'
    source = Path(settings_schema.__file__).read_text()
    edited: dict[str, Any] = {"__name__": settings_schema.__name__}
    exec(source.replace("    health_path: str", f"    {entry}\n    health_path: str"), edited)
    kind, validate = edited["Settings"], edited["validate"]
    assert validate({"colour": "red"}) == kind(colour="red")
    with pytest.raises(edited["SettingNotAllowed"], match="colour is 7; it must be lower-case letters"):
        validate({"colour": 7})
    assert edited["accepted"](asdict(kind(colour="red"))) == kind(colour="red")
    assert decode_fields(kind, encode_fields(kind(colour="red"))) == kind(colour="red")
    assert decode_fields(kind, encode_fields(Settings(bake_seconds=7))) == kind(bake_seconds=7)
    assert edited["SETTINGS"]["colour"].rule.allowed == "lower-case letters"


def test_settings_that_an_earlier_version_stored_are_read() -> None:
    stored = {"health_path": {"S": "/up"}, "java_options": {"L": [{"S": "-Xa"}]}, "java": {"NULL": True}}
    assert decode_fields(Settings, stored) == Settings(health_path="/up", java_options=("-Xa",))


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
    with pytest.raises(GiveUp, match="has no TOPIC, DOCUMENT_VERSION;"):
        Environment.read(VARIABLES | {"TOPIC": "", "DOCUMENT_VERSION": ""})
