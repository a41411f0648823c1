"""An announcement as Amazon Q Developer in chat applications reads it (custom notifications, schema 1.0).

https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html names the fields and their lengths.
Amazon Q draws the texts in the markup of the chat that it posts to: what users wrote is in code, where no
mention and no link is read, and which only a backtick ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from twinslot.announce.facts import CHAT, last_lines
from twinslot.announce.view import MAX_CHAT_HOSTS, View, listed
from twinslot.domain.model import NO_APP
from twinslot.intake.sanitize import escaped, sanitize

MAX_TITLE_CHARACTERS = 250
MAX_DESCRIPTION_CHARACTERS = 8_000
MAX_STEP_CHARACTERS = 350
MAX_KEYWORD_CHARACTERS = 75
MAX_BLOCK_CHARACTERS = 3_000
BACKTICK = "\N{MODIFIER LETTER GRAVE ACCENT}"
"""Replaces a backtick, which would end the code."""


def custom_notification(view: View) -> str:
    """Return the JSON of the notification. A deployment's start and its end share a thread."""
    view = view.within(CHAT)
    words = [word for word in (view.app, view.outcome) if word and word != NO_APP]
    content: dict[str, object] = {
        "textType": "client-markdown",
        "title": _title(view),
        "description": _description(view),
        "keywords": [sanitize(word, MAX_KEYWORD_CHARACTERS) for word in words],
    }
    step = f"{_fenced(view.command_does)}: {_code(view.command)}"
    if view.command and len(step) <= MAX_STEP_CHARACTERS:
        content["nextSteps"] = [step]
    metadata: dict[str, object] = {
        "summary": _title(view),
        "additionalContext": {"app": view.app, "outcome": view.outcome},
        "enableCustomActions": False,
    }
    if view.deployment:
        metadata["threadId"] = view.deployment
    return json.dumps(
        {"version": "1.0", "source": "custom", "id": view.id, "content": content, "metadata": metadata}
    )


def _title(view: View) -> str:
    headline = view.headline
    room = MAX_TITLE_CHARACTERS - len(f"{headline.icon} `` {headline.predicate}")
    return f"{headline.icon} {_code(headline.subject, room)} {headline.predicate}"


def _description(view: View) -> str:
    """Return lines, the cause first. What would not fit is left out, line by line."""
    lines: list[str] = []
    room = MAX_DESCRIPTION_CHARACTERS
    for line in _lines(view):
        if line and len(line) < room:
            lines.append(line)
            room -= len(line) + 1
    return "\n".join(lines)


def _lines(view: View) -> list[str]:
    live = view.live
    return [
        _cause(view),
        _block(view.cause.log if view.cause else ()),
        _fenced(view.meaning),
        *(f"{_code(host)}: {_code(what)}" for host, what in view.differences),
        f"and {view.others} more" if view.others else "",
        ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in view.seconds),
        f"{view.live_is}: {_code(live.label) if live else 'nothing'}" if view.live_is else "",
        *(f"{title}: {', '.join(map(_code, listed(h, MAX_CHAT_HOSTS)))}" for title, h in view.host_lists),
        _code(view.origin) + (f" as {_code(view.key)}" if view.key else ""),
    ]


def _cause(view: View) -> str:
    cause = view.cause
    if not cause:
        return ""
    host = f" on {_code(cause.host)}" if cause.host else ""
    place = f" ({cause.phase}{host})" if cause.phase else ""
    return f"*{view.cause_is}{place}:* {_code(cause.reason)}"


def _block(log: Iterable[str]) -> str:
    """Return the log between fences: as many of its last lines as fit."""
    lines = last_lines((_fenced(line) for line in log), MAX_BLOCK_CHARACTERS)
    return "\n".join(["```", *lines, "```"]) if lines else ""


def _code(text: str, limit: int = MAX_DESCRIPTION_CHARACTERS) -> str:
    """Return the text in code, of at most `limit` characters inside once it is escaped; "" for none."""
    shown = _fenced(text)
    while len(shown) > limit:
        text = sanitize(text, len(text) - 1)
        shown = _fenced(text)
    return f"`{shown}`" if text else ""


def _fenced(text: str) -> str:
    return escaped(text.replace("`", BACKTICK))
