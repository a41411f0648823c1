"""What people's calls of the functions say, field by field. Each raises BadEvent, which names the field."""

from collections.abc import Mapping
from typing import Any

from twinslot.errors import BadEvent
from twinslot.intake.sanitize import quoted
from twinslot.intake.upload import APP

MAX_BY_CHARACTERS = 64


def app_of(event: Mapping[str, Any]) -> str:
    """The field `app`: the name of an application."""
    app = event.get("app")
    if not isinstance(app, str) or not APP.fullmatch(app):
        raise BadEvent(f"app: {shown(app)} is no name of an application (a-z, 0-9, -; 30 at most)")
    return app


def by_of(event: Mapping[str, Any], otherwise: str) -> str:
    """The field `by`: who asks, in printable characters; `otherwise` when it is not there."""
    return text_of(event, "by", MAX_BY_CHARACTERS) if event.get("by") is not None else otherwise


def text_of(event: Mapping[str, Any], name: str, longest: int) -> str:
    """A field of 1 to `longest` printable characters, spaces around them left out."""
    text = event.get(name)
    if not isinstance(text, str) or not text.strip(" ") or len(text) > longest or not text.isprintable():
        raise BadEvent(f"{name}: {shown(text)} is no text of 1 to {longest} printable characters")
    return text.strip(" ")


def shown(value: object) -> str:
    """A value that was refused, as far as it can be shown."""
    return quoted(value, 60) if isinstance(value, str) else f"a value of the type {type(value).__name__}"
