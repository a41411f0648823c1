"""A digest as a Slack message: Block Kit that is legible on a phone, and the text of a notification.

What users wrote stands in plain text and in rich text, where no markup is read: no label mentions anybody,
hides a link or ends a code block. Only the notification's text is markup; it is escaped.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from twinslot.announce.view import Digest, LiveNow
from twinslot.intake.sanitize import CUT, escaped

MAX_HEADER_CHARACTERS = 150
MAX_MESSAGE_CHARACTERS = 13_000
"""Characters of all blocks as JSON. Slack refuses more than about 13,200 (msg_blocks_too_long), which it does
not document (slackapi/bolt-js, issue 2509). A digest's own limits keep within them, which tests hold."""

MAX_NOTIFICATION_CHARACTERS = 300
BAR_WIDTH = 12
"""Characters of the longest bar: a line of 32 fits on the narrowest phone without being broken."""

Block = dict[str, Any]


def compose(digest: Digest) -> Block:
    """The message without its address: `text` and `blocks`, within all of Slack's limits."""
    return {"text": _notification(digest), "blocks": _blocks(digest)}


def _blocks(digest: Digest) -> list[Block]:
    """The cause first; then what it means, what there is to see, and what to do."""
    rich = [
        *_cause(digest),
        *([_code(digest.log)] if digest.log else []),
        *(_section(_words(host, bold=True), _words(f"  {what}")) for host, what in digest.differences),
        _section(_words(digest.meaning)),
        *([_code(_bars(digest.seconds))] if digest.seconds else []),
        _section(*_live(digest.live_is, digest.live)),
        *_unconfirmed(digest.unconfirmed),
        *_to_copy(digest),
    ]
    return [
        _header(str(digest.headline)),
        {"type": "rich_text", "elements": rich},
        {"type": "context", "elements": [_plain(line) for line in _small_print(digest)]},
    ]


def _notification(digest: Digest) -> str:
    """What a locked phone shows."""
    text = f"{digest.headline}: {digest.cause}" if digest.cause else str(digest.headline)
    return escaped(_cut(text, MAX_NOTIFICATION_CHARACTERS))


def _cause(digest: Digest) -> list[Block]:
    if not digest.cause:
        return []
    place = ", ".join([f"in {digest.phase}"] * bool(digest.phase) + [f"on {digest.host}"] * bool(digest.host))
    words = [_words("Why: ", bold=True), _words(digest.cause), *([_words(f"\n{place}")] if place else [])]
    return [_section(*words)]


def _live(live_is: str, live: LiveNow | None) -> list[Block]:
    if live is None:
        return [_words(f"{live_is}: ", bold=True), _words("nothing")]
    words = [_words(f"{live_is}: ", bold=True), _words(live.label or "a release without a label")]
    if live.since is not None:
        # Slack shows it in the reader's own time.
        words += [_words(" since "), _moment(int(live.since))]
    return words


def _unconfirmed(hosts: tuple[str, ...]) -> list[Block]:
    if not hosts:
        return []
    return [_section(_words("Not confirmed on: ", bold=True), _words(", ".join(hosts)))]


def _to_copy(digest: Digest) -> list[Block]:
    if not digest.command:
        return []
    return [_section(_words(f"{digest.command_does}:", bold=True)), _code([digest.command])]


def _small_print(digest: Digest) -> list[str]:
    lines = [f"{digest.origin} {digest.by}" + (f" as {digest.key}" if digest.key else "")]
    return [*lines, f"Deployment {digest.deployment}"] if digest.deployment else lines


def _bars(seconds: tuple[tuple[str, float], ...]) -> list[str]:
    """A line a phase: its name, its seconds and a bar to compare them by."""
    name_width = max(len(name) for name, _ in seconds)
    longest = max(spent for _, spent in seconds)
    figures = [f"{spent:.1f} s" for _, spent in seconds]
    figure_width = max(map(len, figures))
    return [
        f"{name:<{name_width}} {figure:>{figure_width}} {_bar(spent, longest)}".rstrip()
        for (name, spent), figure in zip(seconds, figures, strict=True)
    ]


def _bar(spent: float, longest: float) -> str:
    """Blocks in proportion, at least a sliver for whatever took time."""
    if not longest or not spent:
        return ""
    return "█" * round(BAR_WIDTH * spent / longest) or "▏"


def _header(text: str) -> Block:
    return {"type": "header", "text": _plain(_cut(text, MAX_HEADER_CHARACTERS))}


def _plain(text: str) -> Block:
    # Without `emoji: false`, ":tada:" in a key would be drawn.
    return {"type": "plain_text", "text": text, "emoji": False}


def _section(*words: Block) -> Block:
    """A line of its own: elements that follow each other would share one."""
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
    """At most `limit` characters as Slack counts them: one beyond Unicode's first plane counts twice."""
    while len(text.encode("utf-16-le")) // 2 > limit:
        text = text[:-2] + CUT
    return text
