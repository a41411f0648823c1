"""An application's settings: one entry each, for the controller, the host and docs/settings.md.

A new setting is one field of `Settings` and the place that uses it. Everything else is derived from the
field: validation on both sides, the JSON in a command and in a host's files, the attribute in DynamoDB and
the row in docs/settings.md.

Values come and go as JSON has them; a JSON list is a tuple in `Settings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from twinslot.shared.constants import PORTS
from twinslot.shared.quoting import quoted_json

HEALTH_PATH = r"/[A-Za-z0-9/_.?=&-]{0,199}"
HOST_NAME_PART = "[A-Za-z0-9][A-Za-z0-9-]{0,62}"
SERVER_NAME = rf"_|(?!.{{254}})(\*\.)?{HOST_NAME_PART}(\.{HOST_NAME_PART})*"
JAVA_OPTION = "-[!-~][ -~]{0,198}"
MAX_JAVA_OPTIONS = 20
JAVA_VERSIONS = (17, 21, 25)
FILE_PATH = r"(?!.{256})(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)+"
LOWEST_PORT, HIGHEST_PORT = 1024, 65000
TAKEN_PORTS = tuple(sorted({port - above for port in PORTS.values() for above in range(len(PORTS))}))
"""The management port serves one slot and the port above it the other: neither can be a slot's own port."""

T = TypeVar("T")


class Rule(NamedTuple):
    """What a setting's value must be: `allowed` in words, `accepts` as a test of the JSON value."""

    allowed: str
    accepts: Callable[[object], bool]


class Setting(NamedTuple):
    """One setting as the schema describes it."""

    name: str
    default: object
    meaning: str
    rule: Rule


class SettingNotAllowed(ValueError):
    """A setting is unknown or its value is not allowed.

    The text names the setting, its value and the rule.
    """


def text(pattern: str, allowed: str) -> Rule:
    """Return the rule for a text that matches the whole pattern."""
    return Rule(allowed, lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None)


def whole_number(lowest: int, highest: int, *excluded: int) -> Rule:
    """Return the rule for a whole number in a range. A JSON `true` or `1.0` is none."""
    allowed = f"a whole number from {lowest} to {highest}"
    if excluded:
        allowed += f", except {', '.join(map(str, excluded))}"
    return Rule(
        allowed, lambda value: type(value) is int and lowest <= value <= highest and value not in excluded
    )


def one_of(*numbers: int) -> Rule:
    """Return the rule for one of these whole numbers."""
    allowed = f"one of {', '.join(map(str, numbers))}"
    return Rule(allowed, lambda value: type(value) is int and value in numbers)


def list_of(most: int, rule: Rule) -> Rule:
    """Return the rule for a list of at most `most` values that this rule accepts."""
    allowed = f"a list of at most {most} texts, each {rule.allowed}"
    return Rule(
        allowed,
        lambda value: isinstance(value, list) and len(value) <= most and all(map(rule.accepts, value)),
    )


def null_or(rule: Rule) -> Rule:
    """Return the rule for null or a value that this rule accepts."""
    return Rule(f"null or {rule.allowed}", lambda value: value is None or rule.accepts(value))


PEM_FILE = null_or(
    text(
        FILE_PATH,
        "an absolute path of at most 255 characters: letters, digits and `/ . _ -`, without `.` and `..`",
    )
)


def setting(default: T, rule: Rule, meaning: str) -> T:
    """Return a dataclass field with this default that also has the setting's rule and meaning."""
    entry: T = field(default=default, metadata={"rule": rule, "meaning": meaning})
    return entry


@dataclass(frozen=True)
class Settings:
    """The settings of an application. Every setting has a default."""

    health_path: str = setting(
        "/actuator/health",
        text(
            HEALTH_PATH,
            "a path of at most 200 characters: a slash, then letters, digits and `/ _ . ? = & -`",
        ),
        "The path that answers 2xx when the application is healthy, and `UP` where it answers Spring's JSON.",
    )
    start_seconds: int = setting(
        120, whole_number(5, 1800), "The time that a release has to become healthy after its start."
    )
    bake_seconds: int = setting(
        30,
        whole_number(1, 1800),
        "How long the new live release is watched before the deployment counts as LIVE.",
    )
    bake_error_percent: int = setting(
        5,
        whole_number(0, 100),
        "A larger share of 5xx answers during the bake rolls the deployment back automatically.",
    )
    keep_warm_seconds: int = setting(
        600,
        whole_number(0, 86400),
        "How long the previous release keeps running after a deployment, so that a rollback is only a flip.",
    )
    java_options: tuple[str, ...] = setting(
        (),
        list_of(MAX_JAVA_OPTIONS, text(JAVA_OPTION, "`-` and then 1 to 199 printable ASCII characters")),
        "Options for the JVM, one per item.",
    )
    server_name: str = setting(
        "_",
        text(SERVER_NAME, "`_` or a host name, which can begin with `*.`"),
        "The name that nginx answers to; `_` is any.",
    )
    management_port: int | None = setting(
        None,
        null_or(whole_number(LOWEST_PORT, HIGHEST_PORT, *TAKEN_PORTS)),
        "Spring's management port in the blue slot, the port above it in the green one; null: none.",
    )
    java: int | None = setting(
        None,
        null_or(one_of(*JAVA_VERSIONS)),
        "The version of Java that runs the application, installed when missing; null: the version in the"
        " jar's manifest.",
    )
    tls_certificate: str | None = setting(
        None,
        PEM_FILE,
        "A file on each host: the certificate with its chain, in PEM. With `tls_key`, nginx serves HTTPS; see"
        " [https.md](https.md).",
    )
    tls_key: str | None = setting(
        None, PEM_FILE, "A file on each host: the certificate's private key, in PEM. Set both or neither."
    )


SETTINGS = {
    each.name: Setting(each.name, each.default, each.metadata["meaning"], each.metadata["rule"])
    for each in fields(Settings)
}


def validate(values: Mapping[str, object]) -> Settings:
    """Return the settings with these values, and the defaults of all others.

    Raises SettingNotAllowed for an unknown name, a value that its rule does not accept, and for one of
    `tls_certificate` and `tls_key` without the other.
    """
    for name, value in values.items():
        if name not in SETTINGS:
            raise SettingNotAllowed(
                f"there is no setting {quoted_json(name)}; there are {', '.join(SETTINGS)}"
            )
        rule = SETTINGS[name].rule
        if not rule.accepts(value):
            raise SettingNotAllowed(f"{name} is {quoted_json(value)}; it must be {rule.allowed}")
    settings = settings_of(values)
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        there, absent = ("tls_key", "tls_certificate") if settings.tls_key else ("tls_certificate", "tls_key")
        raise SettingNotAllowed(f"{there} is set and {absent} is not; set both or neither")
    return settings


def known(values: object) -> dict[str, object]:
    """Return the values whose names are settings: another version of twinslot can have more."""
    if not isinstance(values, dict):
        return {}
    return {name: value for name, value in values.items() if name in SETTINGS}


def accepted(values: object) -> Settings:
    """Return settings that were stored as JSON, possibly by another version of twinslot.

    A setting that this version does not know is ignored; one whose value it does not accept has its default.
    """
    kept = {name: value for name, value in known(values).items() if SETTINGS[name].rule.accepts(value)}
    try:
        return validate(kept)
    except SettingNotAllowed:  # a certificate without its key, or the reverse
        return settings_of({name: kept[name] for name in kept if not name.startswith("tls_")})


def settings_of(values: Mapping[str, object]) -> Settings:
    """Return the settings with these values, which their rules accept."""
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return Settings(**arguments)
