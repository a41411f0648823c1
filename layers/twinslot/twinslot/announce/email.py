"""An announcement as an e-mail: a subject that SNS takes, and plain text."""

from __future__ import annotations

from datetime import UTC, datetime

from twinslot.announce.view import View
from twinslot.announce.wording import DRIFT, FROZEN, UNFROZEN
from twinslot.intake.sanitize import sanitize

MAX_SUBJECT_CHARACTERS = 99
"""SNS takes less than 100 characters of ASCII and no control character."""


def subject(view: View) -> str:
    """Return the subject, such as "twinslot shop 1.4.2 LIVE"."""
    text = f"twinslot {view.title} {view.outcome}"
    if view.outcome == DRIFT:
        text += f" on {', '.join(host for host, _ in view.differences)}"
    if view.outcome in (FROZEN, UNFROZEN):
        text += f" by {view.by}"
    return _ascii(text, MAX_SUBJECT_CHARACTERS)


def text(view: View) -> str:
    """Return the body: paragraphs between empty lines."""
    paragraphs = [
        [f"{view.title}: {view.outcome}", view.meaning],
        _cause(view),
        _differences(view),
        _live(view),
        *([f"{title}: {', '.join(hosts)}"] for title, hosts in view.host_lists),
        [f"{phase}: {spent:.1f} s" for phase, spent in view.seconds],
        _origin(view),
        [f"{view.command_does}:", f"  {view.command}"] if view.command else [],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def _cause(view: View) -> list[str]:
    cause = view.cause
    if not cause:
        return []
    place = f"{cause.phase} on {cause.host}" if cause.host else cause.phase
    why = f"{view.cause_is} ({place})" if place else view.cause_is
    log = ["The last lines of its log:", *(f"  {line}" for line in cause.log)] if cause.log else []
    return [f"{why}: {cause.reason}", *log]


def _differences(view: View) -> list[str]:
    more = [f"And {view.others} more hosts."] if view.others else []
    return [*(f"{host}: {what}" for host, what in view.differences), *more]


def _live(view: View) -> list[str]:
    live = view.live
    if not view.live_is:
        return []
    if not live:
        return [f"{view.live_is}: nothing"]
    since = f", since {datetime.fromtimestamp(live.since, UTC):%Y-%m-%d %H:%M:%S} UTC" if live.since else ""
    return [f"{view.live_is}: {live.label} (deployment {live.deployment}{since})"]


def _origin(view: View) -> list[str]:
    jar = view.jar
    if not view.key:
        origin = view.origin
    elif jar:
        origin = f"{view.origin} as {jar.address} (version {jar.version})"
    else:
        origin = f"{view.origin} as {view.key}"
    return [f"Deployment {view.deployment}", origin] if view.deployment else [origin]


def _ascii(text: str, limit: int) -> str:
    shown = sanitize(text, len(text)).encode("ascii", "replace").decode()
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
