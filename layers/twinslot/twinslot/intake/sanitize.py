"""Text of unknown origin, made fit for a log line, a message or a terminal."""

from twinslot.shared.quoting import quoted as quoted

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
CUT = "…"


def sanitize(text: str, limit: int) -> str:
    """One line of at most `limit` characters: tabs and line ends become spaces, and whatever else cannot
    be seen (control and bidirectional characters, lone surrogates) becomes U+FFFD."""
    shown = "".join(_visible(character) for character in text[:limit])
    return shown if len(text) <= limit else shown[: limit - 1] + CUT


def escaped(text: str) -> str:
    """The text as Slack's markup has it: nothing in it mentions anybody or hides where a link goes.

    https://docs.slack.dev/messaging/formatting-message-text (escaping text)
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in "\t\r\n" else REPLACEMENT
