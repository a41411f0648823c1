"""Slack on a phone: the messages of the run, drawn from the same Block Kit that is posted.

Only what functions/slack/message.py uses is drawn; anything else is an error. As in Slack, long lines of code
and long words are wrapped.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from typing import Any

from twinslot.announce.parse import parse
from twinslot.announce.wording import TABLE, TONES, Tone

from functions.slack.message import Block, compose
from lab.screenshots.picture import Picture
from lab.screenshots.story import Story

WIDTH = 390
"""CSS pixels of a common phone."""

SHOWN = ("LIVE", "REVERTED")


def pictures(story: Story) -> Iterator[Picture]:
    """The last release that was rolled back and the last that went live, the newest message at the bottom."""
    announcements = story.sandbox.announcements.all()
    newest = {each.data["outcome"]: each for each in announcements if each.data.get("outcome") in SHOWN}
    shown = sorted(newest.values(), key=lambda each: each.at)
    yield Picture("slack", page((each.at, compose(parse(each.data))) for each in shown), WIDTH)


def page(messages: Iterable[tuple[float, Block]]) -> str:
    """Return a channel on a phone with these messages, each with its time (seconds since the epoch).

    Raises ValueError for a block that is not drawn here.
    """
    drawn = "".join(_message(at, message) for at, message in messages)
    return f'<style>{STYLE}</style><main><div class="bar"># deployments</div>{drawn}</main>'


def _message(at: float, message: Block) -> str:
    time = datetime.fromtimestamp(at, UTC).strftime("%H:%M")
    who = f'<b>twinslot</b> <span class="app">APP</span> <span class="time">{time}</span>'
    blocks = "".join(map(_block, message["blocks"]))
    return f'<article><div class="face">ts</div><div class="body"><div>{who}</div>{blocks}</div></article>'


def _block(block: Block) -> str:
    match block:
        case {"type": "header", "text": text}:
            return f"<h1>{_with_emoji(_plain(text))}</h1>"
        case {"type": "rich_text", "elements": elements}:
            return "".join(map(_rich, elements))
        case {"type": "context", "elements": elements}:
            return (
                f'<div class="context">{"".join(f"<span>{_plain(each)}</span>" for each in elements)}</div>'
            )
        case _:
            raise ValueError(f"a block of the type {block['type']} is not drawn here")


def _rich(element: Block) -> str:
    words = "".join(map(_words, element["elements"]))
    match element["type"]:
        case "rich_text_section":
            return f"<p>{words}</p>"
        case "rich_text_preformatted":
            return f"<pre>{words}</pre>"
        case _:
            raise ValueError(f"rich text of the type {element['type']} is not drawn here")


def _words(element: Block) -> str:
    match element:
        case {"type": "text", "text": text}:
            shown = escape(text)
            return f"<b>{shown}</b>" if element.get("style", {}).get("bold") else shown
        case {"type": "date", "timestamp": at}:
            # "{date_short_pretty} {time}", as Slack writes it to a reader in UTC.
            return datetime.fromtimestamp(at, UTC).strftime("%b %-d, %Y %-I:%M %p")
        case _:
            raise ValueError(f"words of the type {element['type']} are not drawn here")


def _plain(text: dict[str, Any]) -> str:
    return escape(text["text"])


def _with_emoji(text: str) -> str:
    """Draw the emoji: Slack has its own pictures of them, and this machine may lack a font."""
    for emoji, (sign, colour) in EMOJI.items():
        text = text.replace(emoji, f'<i style="background: {colour}">{sign}</i>')
    return text


SIGNS = {
    "✅": "✓",
    "❌": "✗",
    "❗": "!",
    "✋": "–",
    "⏭️": "»",
    "⏹️": "■",
    "🚀": "↑",
    "⏪": "«",
    "⚠️": "!",
    "⏸️": "=",
    "▶️": "▶",
}
COLOURS = {
    Tone.GOOD: "#2e9e44",
    Tone.BAD: "#d1242f",
    Tone.WARN: "#e0a100",
    Tone.ACTIVE: "#3b82c4",
    Tone.NEUTRAL: "#616061",
}
EMOJI = {row.icon: (SIGNS[row.icon], COLOURS[TONES[row.outcome]]) for row in TABLE}
"""What each emoji of a headline is drawn as: a sign, on the colour of its outcome."""

STYLE = """
* { box-sizing: border-box; margin: 0 }
body { font: 15px/1.46 Lato, "Noto Sans", "DejaVu Sans", sans-serif; color: #1d1c1d; background: #fff }
main { padding-bottom: 10px }
.bar { padding: 12px 16px; font-weight: 900; font-size: 17px; border-bottom: 1px solid #ddd }
article { display: flex; gap: 10px; padding: 12px 14px 4px }
.face { flex: none; width: 36px; height: 36px; border-radius: 8px; background: #0f766e; color: #fff;
        font-weight: 700; text-align: center; line-height: 36px }
.body { flex: 1; min-width: 0 }
.app { font-size: 10px; background: #e8e8e8; color: #616061; border-radius: 2px; padding: 1px 3px }
.time { font-size: 12px; color: #616061 }
h1 { font-size: 18px; line-height: 1.3; margin: 4px 0; overflow-wrap: anywhere }
h1 i { display: inline-block; width: 20px; height: 20px; line-height: 20px; border-radius: 5px; color: #fff;
       font-style: normal; font-size: 15px; text-align: center }
p { white-space: pre-wrap; overflow-wrap: anywhere }
pre { font: 12px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere;
      padding: 8px; margin: 4px 0; background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px }
.context { font-size: 12px; color: #616061; margin-top: 4px; overflow-wrap: anywhere }
.context span { display: inline-block; margin-right: 8px }
"""
