"""Makes text of unknown origin safe for a log line, a message or a terminal."""

from twinslot.shared.quoting import quoted as quoted

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
CUT = "…"


def sanitize(text: str, limit: int) -> str:
    """Return one line of at most `limit` characters. Tabs and line ends become spaces; other characters that
    cannot be seen (control and bidirectional characters, lone surrogates) become U+FFFD."""
    shown = "".join(_visible(character) for character in text[:limit])
    return shown if len(text) <= limit else shown[: limit - 1] + CUT


def escaped(text: str) -> str:
    """Return the text escaped for Slack's markup: it cannot mention anyone or disguise a link.

    https://docs.slack.dev/messaging/formatting-message-text (escaping text)
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in "\t\r\n" else REPLACEMENT
