"""Text of unknown origin, made printable."""

from __future__ import annotations


def sanitize(text: str, limit: int) -> str:
    """Return the text in at most `limit` characters, with each character that does not print replaced."""
    clean = "".join(character if character.isprintable() else "?" for character in text[:limit])
    return clean[: limit - 1] + "…" if len(text) > limit else clean
