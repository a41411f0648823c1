"""Text of unknown origin, quoted for a message."""

from __future__ import annotations

import json


def quoted(text: str, limit: int = 100) -> str:
    """Return the first `limit` characters between double quotes, in ASCII, escaped as JSON is."""
    escaped = json.dumps(text[:limit]).replace("\x7f", "\\u007f")
    return escaped if len(text) <= limit else escaped[:-1] + '..."'


def quoted_json(value: object) -> str:
    """Return a JSON value as text for a message; a text is quoted, everything else is as JSON writes it."""
    try:
        return quoted(value) if isinstance(value, str) else quoted(json.dumps(value))[1:-1]
    except RecursionError:
        return "too deeply nested"
