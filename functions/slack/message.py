"""A view as a Slack message: Block Kit that is legible on a phone, and the text of a notification.

What users wrote is in plain text and in rich text, where no markup is read: no label mentions anybody,
hides a link or ends a code block. Only the notification's text is markup; it is escaped.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from twinslot.announce.facts import CHAT, Cause
from twinslot.announce.view import MAX_CHAT_HOSTS, WHY, View, listed
from twinslot.intake.sanitize import CUT, escaped

MAX_HEADER_CHARACTERS = 150
MAX_MESSAGE_CHARACTERS = 13_000
"""Characters of all blocks as JSON. Slack refuses more than about 13,200 (msg_blocks_too_long), which it does
not document (slackapi/bolt-js, issue 2509). A view within CHAT keeps within them, which tests hold."""

MAX_NOTIFICATION_CHARACTERS = 300
BAR_WIDTH = 12
"""Characters of the longest bar: a line of 32 fits on the narrowest phone without being broken."""

Block = dict[str, Any]


def compose(view: View) -> Block:
    """Return the message without its address: `text` and `blocks`, within all of Slack's limits."""
    view = view.within(CHAT)
    return {"text": _notification(view), "blocks": _blocks(view)}


def _blocks(view: View) -> list[Block]:
    """Return the cause first; then what it means, the details, and a command to copy."""
    differences = [*view.differences, *([("…", f"and {view.others} more")] if view.others else [])]
    rich = [
        *(_cause(view.cause_is, view.cause) if view.cause else []),
        *(_section(_words(host, bold=True), _words(f"  {what}")) for host, what in differences),
        _section(_words(view.meaning)),
        *([_code(_bars(view.seconds))] if view.seconds else []),
        *_live(view),
        *(_hosts(title, hosts) for title, hosts in view.host_lists),
        *_to_copy(view),
    ]
    return [
        _header(str(view.headline)),
        {"type": "rich_text", "elements": rich},
        {"type": "context", "elements": [_plain(line) for line in _small_print(view)]},
    ]


def _notification(view: View) -> str:
    """Return what a locked phone shows."""
    why = f": {view.cause.reason}" if view.cause and view.cause_is == WHY else ""
    return escaped(_cut(f"{view.headline}{why}", MAX_NOTIFICATION_CHARACTERS))


def _cause(title: str, cause: Cause) -> list[Block]:
    place = ", ".join([f"in {cause.phase}"] * bool(cause.phase) + [f"on {cause.host}"] * bool(cause.host))
    words = [
        _words(f"{title}: ", bold=True),
        _words(cause.reason),
        *([_words(f"\n{place}")] if place else []),
    ]
    return [_section(*words), *([_code(cause.log)] if cause.log else [])]


def _live(view: View) -> list[Block]:
    live = view.live
    if not view.live_is:
        return []
    words = [_words(f"{view.live_is}: ", bold=True)]
    if live is None:
        return [_section(*words, _words("nothing"))]
    words.append(_words(live.label or "a release without a label"))
    if live.since is not None:
        # Slack shows it in the reader's own time.
        words += [_words(" since "), _moment(int(live.since))]
    return [_section(*words)]


def _hosts(title: str, hosts: tuple[str, ...]) -> Block:
    return _section(_words(f"{title}: ", bold=True), _words(", ".join(listed(hosts, MAX_CHAT_HOSTS))))


def _to_copy(view: View) -> list[Block]:
    if not view.command:
        return []
    return [_section(_words(f"{view.command_does}:", bold=True)), _code([view.command])]


def _small_print(view: View) -> list[str]:
    lines = [view.origin + (f" as {view.key}" if view.key else "")]
    return [*lines, f"Deployment {view.deployment}"] if view.deployment else lines


def _bars(seconds: tuple[tuple[str, float], ...]) -> list[str]:
    """Return a line a phase: its name, its seconds and a bar to compare them by."""
    name_width = max(len(name) for name, _ in seconds)
    longest = max(spent for _, spent in seconds)
    figures = [f"{spent:.1f} s" for _, spent in seconds]
    figure_width = max(map(len, figures))
    return [
        f"{name:<{name_width}} {figure:>{figure_width}} {_bar(spent, longest)}".rstrip()
        for (name, spent), figure in zip(seconds, figures, strict=True)
    ]


def _bar(spent: float, longest: float) -> str:
    """Return blocks in proportion, at least a sliver for what took time."""
    if not longest or not spent:
        return ""
    return "█" * round(BAR_WIDTH * spent / longest) or "▏"


def _header(text: str) -> Block:
    return {"type": "header", "text": _plain(_cut(text, MAX_HEADER_CHARACTERS))}


def _plain(text: str) -> Block:
    # Without `emoji: false`, ":tada:" in a key would be drawn.
    return {"type": "plain_text", "text": text, "emoji": False}


def _section(*words: Block) -> Block:
    """Return a line of its own: elements that follow each other would share one."""
    return {"type": "rich_text_section", "elements": [*words, _words("\n")]}


def _code(lines: Iterable[str]) -> Block:
    return {"type": "rich_text_preformatted", "elements": [_words("\n".join(lines))]}


def _words(text: str, *, bold: bool = False) -> Block:
    # Slack takes no empty text.
    return {"type": "text", "text": text or " ", **({"style": {"bold": True}} if bold else {})}


def _moment(at: int) -> Block:
    fallback = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"type": "date", "timestamp": at, "format": "{date_short_pretty} {time}", "fallback": fallback}


def _cut(text: str, limit: int) -> str:
    """Cut to `limit` characters as Slack counts them: one beyond Unicode's first plane counts twice."""
    while len(text.encode("utf-16-le")) // 2 > limit:
        text = text[:-2] + CUT
    return text
