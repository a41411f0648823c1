"""The command that the agent passes on, validated before anything in it is used."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

from twinslot.shared.settings_schema import SettingNotAllowed, Settings, known, validate

from twinslot_host.system.errors import NotExecuted

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


class Release(NamedTuple):
    """One exact jar. `sha256` is None until somebody has read the whole of it; `size` is in bytes."""

    bucket: str
    key: str
    version: str
    size: int
    label: str
    sha256: str | None

    @property
    def source(self) -> list[str]:
        """Return what identifies these bytes in S3 for ever: bucket, key and version id."""
        return [self.bucket, self.key, self.version]


class Request(NamedTuple):
    """A validated command.

    `release` is None for a verb that is no part of a deployment; `app` is empty only for a provision of the
    machine alone. `settings` are the defaults when the command has none (`has_settings` is false). `slot`
    and `lines` are for logs.
    """

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
    """Return the command in the agent's environment.

    Raises NotExecuted when docs/host.md does not allow it.
    """
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
        raise NotExecuted(f"parameter app is empty: {verb} needs it, only provision works without")
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
        read_release("release", values["release"]),
        read_release("previous", values["previous"]),
        read_settings(values["settings"]),
        bool(values["settings"]),
        values["slot"],
        int(values["lines"]),
    )


def decode(name: str, text: str) -> dict[str, Any]:
    """Return the JSON object in unpadded base64url `text`. Raises NotExecuted, naming the parameter."""
    try:
        value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise NotExecuted(f"parameter {name} is no base64url of JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotExecuted(f"parameter {name} contains no JSON object")
    return value


def read_release(name: str, text: str) -> Release | None:
    """Return the release in a parameter, None when it is empty. Raises NotExecuted, naming the field.

    Other fields are ignored: another version of twinslot can send more.
    """
    if not text:
        return None
    value = decode(name, text)
    shapes = {
        "bucket": r"[a-z0-9][a-z0-9.-]{1,62}",
        "key": r"(?!.*(^|/)\.{1,2}(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*",
        "version": r"[A-Za-z0-9._-]{1,1024}",
        "label": r"[^\x00-\x1f\x7f]{1,255}",
    }
    missing = [field for field in Release._fields if field not in value]
    if missing:
        raise NotExecuted(f"parameter {name} lacks {', '.join(missing)}")
    for field, shape in shapes.items():
        if not isinstance(value[field], str) or not re.fullmatch(shape, value[field]):
            raise NotExecuted(f"parameter {name}: {field} does not match {shape}")
    if type(value["size"]) is not int or not 0 < value["size"] <= 5 * 1024**4:
        raise NotExecuted(f"parameter {name}: size is no count of bytes")
    sha256 = value["sha256"]
    if sha256 is not None and not (isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256)):
        raise NotExecuted(f"parameter {name}: sha256 is neither null nor 64 hex digits")
    return Release(**{field: value[field] for field in Release._fields})


def read_settings(text: str) -> Settings:
    """Return the settings in the parameter; the defaults when it is empty. Raises NotExecuted, naming one.

    Unknown settings are ignored: another version of twinslot can send more.
    """
    try:
        return validate(known(decode("settings", text)) if text else {})
    except SettingNotAllowed as error:
        raise NotExecuted(f"settings: {error}") from error


def management_port(settings: Settings, slot: str) -> int | None:
    """Return the slot's own management port, None when there is none: two slots cannot share one."""
    if settings.management_port is None:
        return None
    return settings.management_port + (0 if slot == "blue" else 1)
