"""The command that the agent hands over, checked: nothing of it is used before."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

from twinslot_host.system.errors import NotExecuted
from twinslot_host.system.paths import PORTS

PATTERNS = {
    "verb": "^(provision|stage|flip|bake|report|logs|doctor)$",
    "app": "^([a-z][a-z0-9-]{0,29})?$",
    "step": "^(provision|report|stage|flip|bake|revert(-[1-9])?|logs|doctor)$",
    "deployment": "^([0-9A-HJKMNP-TV-Z]{26})?$",
    "fence": "^[0-9]{1,15}$",
    "release": "^[A-Za-z0-9_-]*$",
    "previous": "^[A-Za-z0-9_-]*$",
    "settings": "^[A-Za-z0-9_-]*$",
    "slot": "^(live|idle)$",
    "lines": "^[1-9][0-9]{0,2}$",
}
DEFAULTS = {
    "app": "",
    "deployment": "",
    "fence": "0",
    "release": "",
    "previous": "",
    "settings": "",
    "slot": "live",
    "lines": "200",
}
JAVA_VERSIONS = (17, 21, 25)
PATH = r"(?!.{256})(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)+"


class Release(NamedTuple):
    """One exact jar. `sha256` is None while nobody has read the whole of it."""

    bucket: str
    key: str
    version: str
    size: int
    label: str
    sha256: str | None

    @property
    def source(self) -> list[str]:
        """What names these bytes for ever in S3."""
        return [self.bucket, self.key, self.version]


class Settings(NamedTuple):
    """The application's settings, as docs/settings.md describes them."""

    health_path: str = "/actuator/health"
    start_seconds: int = 120
    bake_seconds: int = 30
    bake_error_percent: int = 5
    keep_warm_seconds: int = 600
    java_options: tuple[str, ...] = ()
    server_name: str = "_"
    management_port: int | None = None
    java: int | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None


class Request(NamedTuple):
    """A command, checked. `release` is None only where nothing of a deployment is done; `app` is empty only
    for a provision that prepares the machine alone. `settings` are the defaults where none came along
    (`has_settings`). `slot` and `lines` are for logs."""

    verb: str
    app: str
    step: str
    deployment: str = ""
    fence: int = 0
    release: Release | None = None
    previous: Release | None = None
    settings: Settings = Settings()
    has_settings: bool = True
    slot: str = "live"
    lines: int = 200


def read_request(environment: dict[str, str]) -> Request:
    """The command in the agent's environment. NotDone: a parameter is not what docs/host.md says."""
    if "SSM_verb" not in environment:
        raise NotExecuted(
            "no parameter SSM_verb: this SSM agent does not know interpolationType ENV_VAR; "
            "update amazon-ssm-agent to 3.3.2746.0 or later"
        )
    values = {}
    for name, pattern in PATTERNS.items():
        values[name] = environment.get("SSM_" + name, DEFAULTS.get(name, ""))
        if not re.fullmatch(pattern, values[name]):
            raise NotExecuted(f"parameter {name} does not match {pattern}")
    verb, step = values["verb"], values["step"]
    if step != verb and not (verb == "flip" and step.startswith("revert")):
        raise NotExecuted(f"parameter step: {step} is no step of the verb {verb}")
    if not values["app"] and verb != "provision":
        raise NotExecuted(f"parameter app is empty: {verb} needs it, and only provision goes without")
    release = read_release("release", values["release"])
    if verb in ("stage", "flip", "bake"):
        for name in ("deployment", "release"):
            if not values[name]:
                raise NotExecuted(f"parameter {name} is empty: {verb} needs it")
    return Request(
        verb,
        values["app"],
        step,
        values["deployment"],
        int(values["fence"]),
        release,
        read_release("previous", values["previous"]),
        read_settings(values["settings"]),
        bool(values["settings"]),
        values["slot"],
        int(values["lines"]),
    )


def decode(name: str, text: str) -> dict[str, Any]:
    """The JSON object in unpadded base64url `text`."""
    try:
        value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise NotExecuted(f"parameter {name} is no base64url of JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotExecuted(f"parameter {name} holds no JSON object")
    return value


def read_release(name: str, text: str) -> Release | None:
    """The release that a parameter names, None when it is empty."""
    if not text:
        return None
    value = decode(name, text)
    shapes = {
        "bucket": r"[a-z0-9][a-z0-9.-]{1,62}",
        "key": r"(?!.*(^|/)\.{1,2}(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*",
        "version": r"[A-Za-z0-9._-]{1,1024}",
        "label": r"[^\x00-\x1f\x7f]{1,255}",
    }
    if set(value) != set(Release._fields):
        raise NotExecuted(f"parameter {name}: its keys are not {', '.join(Release._fields)}")
    for field, shape in shapes.items():
        if not isinstance(value[field], str) or not re.fullmatch(shape, value[field]):
            raise NotExecuted(f"parameter {name}: {field} does not match {shape}")
    if type(value["size"]) is not int or not 0 < value["size"] <= 5 * 1024**4:
        raise NotExecuted(f"parameter {name}: size is no count of bytes")
    sha256 = value["sha256"]
    if sha256 is not None and not (isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256)):
        raise NotExecuted(f"parameter {name}: sha256 is neither null nor 64 hex digits")
    return Release(**value)


def read_settings(text: str) -> Settings:
    """The settings in the parameter; their defaults when it is empty."""
    given = decode("settings", text) if text else {}
    ranges = {
        "start_seconds": (1, 3600),
        "bake_seconds": (0, 3600),
        "bake_error_percent": (0, 100),
        "keep_warm_seconds": (0, 7 * 86400),
        "management_port": (1024, 65534),
    }
    shapes = {
        "health_path": r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,255}",
        "server_name": r"[A-Za-z0-9_.*-]{1,255}( [A-Za-z0-9_.*-]{1,255}){0,9}",
        "tls_certificate": PATH,
        "tls_key": PATH,
    }
    for name, value in given.items():
        if value is None and name in Settings._fields and Settings._field_defaults[name] is None:
            good = True
        elif name in ranges:
            low, high = ranges[name]
            good = type(value) is int and low <= value <= high
        elif name == "java":
            good = type(value) is int and value in JAVA_VERSIONS
        elif name in shapes:
            good = isinstance(value, str) and bool(re.fullmatch(shapes[name], value))
        elif name == "java_options":
            good = isinstance(value, list) and all(
                isinstance(v, str) and v.isprintable() and v for v in value
            )
        else:
            raise NotExecuted(f"settings: {name!r} is no setting; docs/settings.md lists them")
        if not good:
            raise NotExecuted(f"settings: {name} has a value that docs/settings.md does not allow: {value!r}")
    settings = as_settings(given)
    if {management_port(settings, slot) for slot in PORTS} & {80, *PORTS.values()}:
        raise NotExecuted(f"settings: management_port {settings.management_port} collides with a slot's port")
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise NotExecuted("settings: tls_certificate and tls_key belong together: set both or neither")
    return settings


def as_settings(value: dict[str, Any]) -> Settings:
    """Settings as JSON has them; what is not there has its default."""
    return Settings(**dict(value, java_options=tuple(value.get("java_options", ()))))


def management_port(settings: Settings, slot: str) -> int | None:
    """The slot's own management port: two slots cannot share a fixed one."""
    if settings.management_port is None:
        return None
    return settings.management_port + (0 if slot == "blue" else 1)
