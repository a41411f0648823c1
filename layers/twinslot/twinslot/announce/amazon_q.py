"""An announcement as Amazon Q Developer in chat applications reads it (custom notifications, schema 1.0).

https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html names the fields and their lengths.
Amazon Q draws the texts in the markup of the chat that it posts to: what users wrote stands in code, which
knows no mention, no link and no way out but a backtick.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from twinslot.announce.view import Digest, digest
from twinslot.intake.sanitize import escaped, sanitize

MAX_TITLE_CHARACTERS = 250
MAX_DESCRIPTION_CHARACTERS = 8_000
MAX_STEP_CHARACTERS = 350
MAX_KEYWORD_CHARACTERS = 75
MAX_BLOCK_CHARACTERS = 3_000
BACKTICK = "\N{MODIFIER LETTER GRAVE ACCENT}"
"""Stands for a backtick, which would end the code."""


def custom_notification(announcement: object) -> str:
    """The JSON of the notification, from an announcement's own JSON. Raises BadEvent.

    What one deployment has to say shares a thread, from its start to its end.
    """
    told = digest(announcement)
    content: dict[str, object] = {
        "textType": "client-markdown",
        "title": _title(told),
        "description": _description(told),
        "keywords": [sanitize(word, MAX_KEYWORD_CHARACTERS) for word in (told.app, told.outcome) if word],
    }
    step = f"{_fenced(told.command_does)}: {_code(told.command)}"
    if told.command and len(step) <= MAX_STEP_CHARACTERS:
        content["nextSteps"] = [step]
    metadata: dict[str, object] = {
        "summary": _title(told),
        "additionalContext": {"app": told.app, "outcome": told.outcome},
        "enableCustomActions": False,
    }
    if told.deployment:
        metadata["threadId"] = told.deployment
    return json.dumps(
        {"version": "1.0", "source": "custom", "id": told.id, "content": content, "metadata": metadata}
    )


def _title(told: Digest) -> str:
    headline = told.headline
    room = MAX_TITLE_CHARACTERS - len(f"{headline.icon} `` {headline.predicate}")
    return f"{headline.icon} {_code(headline.subject, room)} {headline.predicate}"


def _description(told: Digest) -> str:
    """Lines, the cause first. What would not fit is left out, line by line."""
    lines: list[str] = []
    room = MAX_DESCRIPTION_CHARACTERS
    for line in _lines(told):
        if line and len(line) < room:
            lines.append(line)
            room -= len(line) + 1
    return "\n".join(lines)


def _lines(told: Digest) -> list[str]:
    live = told.live
    return [
        _why(told) if told.cause else "",
        _block(told.log),
        _fenced(told.meaning),
        *(f"{_code(host)}: {_code(what)}" for host, what in told.differences),
        ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in told.seconds),
        f"{told.live_is}: {_code(live.label)}" if live and live.label else f"{told.live_is}: nothing",
        f"Not confirmed on: {', '.join(map(_code, told.unconfirmed))}" if told.unconfirmed else "",
        f"{told.origin} {_code(told.by)}" + (f" as {_code(told.key)}" if told.key else ""),
    ]


def _why(told: Digest) -> str:
    place = (
        f" ({told.phase} on {_code(told.host)})" if told.host else f" ({told.phase})" if told.phase else ""
    )
    return f"*Why{place}:* {_code(told.cause)}"


def _block(log: Iterable[str]) -> str:
    """The log between fences: as many of its last lines as fit."""
    lines: list[str] = []
    room = MAX_BLOCK_CHARACTERS
    for line in reversed([_fenced(line) for line in log]):
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    return "\n".join(["```", *reversed(lines), "```"]) if lines else ""


def _code(text: str, limit: int = MAX_DESCRIPTION_CHARACTERS) -> str:
    """The text in code, of at most `limit` characters inside once it is escaped; "" for an empty text."""
    shown = _fenced(text)
    while len(shown) > limit:
        text = sanitize(text, len(text) - 1)
        shown = _fenced(text)
    return f"`{shown}`" if text else ""


def _fenced(text: str) -> str:
    return escaped(text.replace("`", BACKTICK))
