"""Text of unknown origin, quoted for a message."""

from __future__ import annotations

import json


def quoted(text: str, limit: int = 100) -> str:
    """Return the first `limit` characters between double quotes, escaped as JSON is.

    Printable characters of any script are left as they are; those that cannot be seen are escaped.
    """
    escaped = "".join(map(_escape, text[:limit]))
    return f'"{escaped}"' if len(text) <= limit else f'"{escaped}..."'


def quoted_json(value: object) -> str:
    """Return a JSON value as text for a message; a text is quoted, everything else is as JSON writes it."""
    try:
        return quoted(value) if isinstance(value, str) else quoted(json.dumps(value))[1:-1]
    except RecursionError:
        return "too deeply nested"


def _escape(character: str) -> str:
    if character.isprintable() and character not in '"\\':
        return character
    return json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
