"""How a viewer looks at the page, and the small pieces that all of it is made of."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from twinslot.announce.build import view_of_end
from twinslot.announce.wording import TONES, Tone
from twinslot.domain.model import Deployment, Release

from .markup import Markup, element


@dataclass(frozen=True)
class View:
    """How a viewer looks at the page: `now` in seconds since the epoch, `rollback` is that function's ARN,
    `offset` are the minutes of the viewer's time zone east of UTC."""

    now: float
    rollback: str
    dark: bool = False
    offset: int = 0

    def moment(self, at: float) -> datetime:
        """Return a time in the viewer's time zone."""
        return datetime.fromtimestamp(at, timezone(timedelta(minutes=self.offset)))

    def since(self, at: float) -> Markup:
        """Draw how long ago that was, with the exact time as a tooltip."""
        exact = self.moment(at).strftime("%Y-%m-%d %H:%M:%S UTC%z")
        return element("span", span(self.now - at), title=exact)

    def clock(self, at: float) -> Markup:
        """Draw a time of day, with its date where that is not today."""
        moment = self.moment(at)
        shown = "%H:%M:%S" if moment.date() == self.moment(self.now).date() else "%d %b %H:%M"
        return element("span", moment.strftime(shown), title=f"{span(self.now - at)} ago")


def pill(word: str, tone: Tone = Tone.NEUTRAL, title: str | None = None) -> Markup:
    """Draw a word in an oval, in the colour of its tone."""
    return element("span", word, class_=f"pill {tone}", title=title)


def outcome_pill(deployment: Deployment, before: str = "") -> Markup:
    """Draw the outcome of a deployment that has ended, with its meaning as a tooltip."""
    view = view_of_end(deployment, live=None, previous=None)
    return pill(before + view.outcome, TONES[view.outcome], view.meaning)


def label(release: Release) -> Markup:
    """Draw a release by its label, with its key as a tooltip."""
    return element("span", release.label, class_="label", title=release.key)


def name(deployment: Deployment) -> str:
    """Return the release's label, else the key of an upload that was refused."""
    return deployment.release.label if deployment.release else deployment.order.key


def span(seconds: float) -> str:
    """Return a time span in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
