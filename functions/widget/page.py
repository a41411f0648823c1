"""Draws the widget as HTML from what was read. No I/O, no clock.

CloudWatch takes scripts, iframes and SVG's <use> out of a widget and leaves styles and SVG
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_security.html).
Its <cwdb-action> is a behaviour of the element just before it: here, after a confirmation, a call of the
rollback function with the permissions of the viewer who clicks. Nothing here is a script, and every text goes
through markup.text.

CloudWatch names no limit for what a widget answers; Lambda's is 6 MB. Each app's card is bounded (deployments
by reading.py, hosts by slots.py, texts by markup.py), and cards are drawn as long as they fit.
"""

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from twinslot.announce.wording import DRIFT, FROZEN, STARTED, TONES, Tone
from twinslot.domain.model import Application

from .history import history
from .markup import Markup, element, join
from .progress import progress
from .reading import Shown
from .slots import MAX_HOSTS, slots
from .view import View, label, name, outcome_pill, pill

STYLE = element("style", Markup(Path(__file__).with_name("style.css").read_text()))
MAX_UNFOLDED = 3
"""With more apps than these, only those that need attention are unfolded."""

CALM = 2
BY = "the dashboard"
"""CloudWatch does not give a widget the name of the person who clicks; CloudTrail's data events hold it."""

MAX_BYTES = 2_000_000
"""Of all cards together, as JSON spells them: a browser draws this in a moment."""


def page(apps: Sequence[Shown], more: int, view: View) -> str:
    """Draw the whole widget; there are `more` apps besides."""
    if not apps:
        return _frame(view, _nothing_yet())
    ordered = sorted(apps, key=lambda shown: _urgency(shown.application))
    unfold_all = len(apps) <= MAX_UNFOLDED
    cards = [_card(shown, view, unfold_all or _urgency(shown.application)[0] < CALM) for shown in ordered]
    drawn = _fitting(cards)
    more += len(cards) - len(drawn)
    rest = f"and {more} more apps, which the command twinslot status lists; " if more else ""
    at = view.moment(view.now).strftime("as of %H:%M:%S UTC%z")
    return _frame(view, *drawn, element("div", rest + at, class_="foot"))


def _fitting(cards: Sequence[Markup]) -> list[Markup]:
    """Return as many of them, in their order, as the answer has room for."""
    lengths = accumulate(len(json.dumps(card)) for card in cards)
    return [card for card, length in zip(cards, lengths, strict=True) if length <= MAX_BYTES]


def trouble(reason: str, view: View) -> str:
    """Draw the widget when nothing could be read."""
    return _frame(view, element("div", element("b", "Nothing can be shown: "), reason, class_="note"))


def _frame(view: View, *children: Markup) -> str:
    ours = element("div", class_="cwdb-no-default-styles")
    return join(ours, STYLE, element("div", *children, class_="twinslot dark" if view.dark else "twinslot"))


def _nothing_yet() -> Markup:
    return element(
        "div",
        element("b", "No app has been deployed yet"),
        "Tag an EC2 instance ",
        element("code", "twinslot=shop"),
        ", then upload a jar into the folder ",
        element("code", "shop/"),
        " of the bucket: the stack's output ",
        element("code", "UploadCommand"),
        " is the line to copy.",
        class_="empty-account",
    )


def _urgency(application: Application) -> tuple[int, str]:
    """Return the sort key: what is under way first, then what needs attention; the rest by name."""
    if application.current:
        return 0, application.name
    return (1 if application.freeze or application.drift else CALM), application.name


def _card(shown: Shown, view: View, unfolded: bool) -> Markup:
    application = shown.application
    live = application.live
    summary = element(
        "summary",
        element("span", application.name, class_="name"),
        label(live.release) if live else None,
        element("span", "live for ", view.since(live.since), class_="muted")
        if live
        else element("span", "" if shown.unreadable else "nothing is live", class_="muted"),
        element("span", _state(shown), class_="right"),
    )
    body = element(
        "div",
        _freeze(application, view),
        *[element("div", note, class_="note") for note in shown.unreadable[:MAX_HOSTS]],
        *[
            element("div", element("b", found.host), f": {found.what}", class_="note")
            for found in application.drift[:MAX_HOSTS]
        ],
        progress(shown, view),
        slots(shown, view),
        _back(shown, view),
        history(shown.history, view),
        class_="body",
    )
    return element("details", summary, body, class_="app", open="" if unfolded else None)


def _state(shown: Shown) -> Markup:
    """Draw the state of the app in one word."""
    application = shown.application
    if application.current:
        return pill(application.current.phase.value, TONES[STARTED])
    if application.freeze:
        return pill("frozen", TONES[FROZEN])
    if application.drift:
        return pill("drift", TONES[DRIFT])
    if shown.unreadable:
        return pill("another version", Tone.WARN)
    last = shown.history[0] if shown.history else None
    return outcome_pill(last, "last: ") if last and last.outcome else pill("idle")


def _freeze(application: Application, view: View) -> Markup | None:
    freeze, waiting = application.freeze, application.waiting
    if not freeze:
        return None
    waits = f"; {name(waiting)} waits." if waiting else "."
    return element(
        "div",
        element("b", "Frozen"),
        f" by {freeze.by} for ",
        view.since(freeze.since),
        f": {freeze.why}",
        element("div", f"Uploads wait until the app is unfrozen{waits}", class_="muted"),
        class_="note",
    )


def _back(shown: Shown, view: View) -> Markup | None:
    """Draw the button: it names both releases, and goes to exactly that one, also on an old page."""
    application = shown.application
    live, previous = application.live, application.previous
    if not live or not previous:
        return None
    asked = {"app": application.name, "to": previous.deployment, "by": BY}
    confirmation = f"Roll back {application.name} from {live.release.label} to {previous.release.label}?"
    if application.current:
        confirmation += f" This cancels the deployment of {name(application.current)}, which is under way."
    return element(
        "div",
        element("a", "Roll back", class_="btn", role="button", tabindex="0"),
        element(
            "cwdb-action",
            json.dumps(asked),
            action="call",
            display="popup",
            endpoint=view.rollback,
            confirmation=confirmation,
        ),
        element("span", f"{live.release.label} → ", label(previous.release), class_="muted"),
        class_="back",
    )
