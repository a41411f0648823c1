"""Reads the payloads with which people invoke functions. Each function raises BadEvent, naming the field."""

from collections.abc import Mapping
from typing import Any

from twinslot.errors import BadEvent
from twinslot.intake.sanitize import quoted
from twinslot.intake.upload import APP

MAX_BY_CHARACTERS = 64


def parse_app(event: Mapping[str, Any]) -> str:
    """Return the field `app`: the name of an application."""
    app = event.get("app")
    if not isinstance(app, str) or not APP.fullmatch(app):
        raise BadEvent(
            f"app: {shown(app)} is no name of an application: a lower-case letter, then at most 29 lower-case"
            " letters, digits or hyphens"
        )
    return app


def parse_by(event: Mapping[str, Any], default: str) -> str:
    """Return the field `by`: who requests it, in printable characters; `default` when it is missing."""
    return parse_text(event, "by", MAX_BY_CHARACTERS) if event.get("by") is not None else default


def parse_text(event: Mapping[str, Any], name: str, limit: int) -> str:
    """Return a field of 1 to `limit` printable characters, without the spaces around them."""
    text = event.get(name)
    if not isinstance(text, str) or not text.strip(" ") or len(text) > limit or not text.isprintable():
        raise BadEvent(f"{name}: {shown(text)} is not a text of 1 to {limit} printable characters")
    return text.strip(" ")


def shown(value: object) -> str:
    """Return a refused value for a message."""
    return quoted(value, 60) if isinstance(value, str) else f"a value of the type {type(value).__name__}"
