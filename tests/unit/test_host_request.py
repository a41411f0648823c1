"""The command that a host takes: what it accepts, and that everything else is refused by name."""

import base64
import json
import re

import pytest
from twinslot.shared.settings_schema import Settings
from twinslot_host.command.request import PATTERNS, management_port, read_request
from twinslot_host.system.errors import NotExecuted

DEPLOYMENT = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
RELEASE = {
    "bucket": "artifacts",
    "key": "shop/shop-1.4.2.jar",
    "version": "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
    "size": 1234,
    "label": "1.4.2",
    "sha256": None,
}


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def environment(**changes: str) -> dict[str, str]:
    given = {
        "verb": "stage",
        "app": "shop",
        "step": "stage",
        "deployment": DEPLOYMENT,
        "fence": "7",
        "release": encoded(RELEASE),
        **changes,
    }
    return {f"SSM_{name}": value for name, value in given.items()}


def test_a_whole_command_is_read() -> None:
    settings = {"start_seconds": 60, "java_options": ["-Xmx256m"], "management_port": 9000}
    request = read_request(environment(settings=encoded(settings), previous=encoded(RELEASE)))
    assert (request.verb, request.app, request.fence) == ("stage", "shop", 7)
    assert request.release and request.release._asdict() == RELEASE
    assert request.previous == request.release
    assert request.settings == Settings(start_seconds=60, java_options=("-Xmx256m",), management_port=9000)


def test_what_is_left_out_has_its_default() -> None:
    request = read_request({"SSM_verb": "report", "SSM_app": "shop", "SSM_step": "report"})
    assert (request.deployment, request.fence, request.release, request.previous) == ("", 0, None, None)
    assert request.settings == Settings()
    assert (request.slot, request.lines) == ("live", 200)


def test_a_machine_is_provisioned_without_an_app() -> None:
    assert read_request({"SSM_verb": "provision", "SSM_step": "provision"}).app == ""


def test_an_agent_too_old_for_parameters_in_the_environment_is_told_so() -> None:
    with pytest.raises(NotExecuted, match="update amazon-ssm-agent"):
        read_request({"SSM_COMMAND_ID": "c-1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verb", "retire"),
        ("verb", "stage\n"),
        ("app", "../etc"),
        ("app", "Shop"),
        ("app", "a" * 31),
        ("app", ""),
        ("step", "flip"),
        ("step", "revert"),
        ("deployment", "01ARZ3NDEKTSV4RRFFQ69G5FA"),
        ("deployment", ""),
        ("fence", "-1"),
        ("fence", ""),
        ("release", "e30="),
        ("release", ""),
        ("release", "bm8ganNvbg"),
        ("settings", encoded([1])),
        ("slot", "green"),
        ("lines", "0"),
        ("lines", "1000"),
    ],
)
def test_a_parameter_of_another_shape_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(NotExecuted, match=name):
        read_request(environment(**{name: value}))


def test_a_jar_at_the_buckets_root_is_a_release_too() -> None:
    request = read_request(environment(release=encoded({**RELEASE, "key": "shop.jar"})))
    assert request.release and request.release.key == "shop.jar"


def test_a_revert_is_a_flip() -> None:
    assert read_request(environment(verb="flip", step="revert-2")).step == "revert-2"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bucket", "../x"),
        ("key", "shop//a.jar"),
        ("key", "shop/../../etc/passwd"),
        ("key", "shop/a b.jar"),
        ("key", "shop/$(reboot).jar"),
        ("key", "/shop/a.jar"),
        ("version", "a&b"),
        ("version", ""),
        ("size", 0),
        ("size", True),
        ("size", "12"),
        ("label", "a\nb"),
        ("sha256", "abc"),
        ("sha256", 5),
    ],
)
def test_a_release_of_another_shape_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(NotExecuted, match=field):
        read_request(environment(release=encoded({**RELEASE, field: value})))


@pytest.mark.parametrize("field", RELEASE)
def test_a_release_without_one_of_its_fields_is_refused_by_its_name(field: str) -> None:
    with pytest.raises(NotExecuted, match=f"parameter release lacks {field}"):
        read_request(environment(release=encoded({name: RELEASE[name] for name in RELEASE if name != field})))


def test_what_another_version_adds_to_a_release_or_the_settings_is_ignored() -> None:
    release, settings = {**RELEASE, "architecture": "arm64"}, {"start_seconds": 60, "colour": "red"}
    request = read_request(environment(release=encoded(release), settings=encoded(settings)))
    assert request.release and request.release._asdict() == RELEASE
    assert request.settings == Settings(start_seconds=60)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("health_path", "health"),
        ("health_path", "/a b"),
        ("health_path", "/\r\nHost: x"),
        ("start_seconds", 0),
        ("start_seconds", "60"),
        ("bake_error_percent", 101),
        ("keep_warm_seconds", -1),
        ("java_options", "-Xmx1g"),
        ("java_options", ["-Da=b\n-Dc=d"]),
        ("server_name", "a; return 200"),
        ("server_name", "a\nb"),
        ("management_port", 80),
        ("management_port", 8081),
        ("management_port", 8080),
        ("java", 11),
        ("java", "21"),
        ("java", True),
        ("tls_certificate", "/etc/tls/../cert.pem"),
        ("tls_certificate", "/etc/tls/cert.pem;"),
        ("tls_key", "key.pem"),
        ("tls_key", "/etc/tls/key.pem"),
        ("start_seconds", None),
    ],
)
def test_a_setting_that_is_not_allowed_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(NotExecuted, match=name):
        read_request(environment(settings=encoded({name: value})))


def test_slots_never_share_a_management_port() -> None:
    settings = Settings(management_port=9000)
    assert [management_port(settings, slot) for slot in ("blue", "green")] == [9000, 9001]
    assert management_port(Settings(), "green") is None


def test_patterns_mean_the_same_to_java_and_go() -> None:
    """Both know anchors, classes, groups and counts; look-around and flags are Java's."""
    for pattern in PATTERNS.values():
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        assert not re.search(r"\(\?|\\", pattern)
