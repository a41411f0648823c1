"""How somebody looks at the page, and the small pieces that all of it is made of."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from twinslot.domain.model import Deployment, Outcome, Release

from .markup import Markup, element

TONES = {
    Outcome.LIVE: "good",
    Outcome.FAILED: "bad",
    Outcome.REVERTED: "bad",
    Outcome.REFUSED: "warn",
}
"""Red is for a release that failed, amber for one that did not begin, as in docs/images/lifecycle.svg."""


@dataclass(frozen=True)
class View:
    """Who looks, and when: `now` in seconds since the epoch, `rollback` is that function's ARN, `offset` are
    the minutes that the onlooker's clock is before Greenwich's."""

    now: float
    rollback: str
    dark: bool = False
    offset: int = 0

    def moment(self, at: float) -> datetime:
        """A time on the onlooker's clock."""
        return datetime.fromtimestamp(at, timezone(timedelta(minutes=self.offset)))

    def since(self, at: float) -> Markup:
        """How long ago that was; the exact time shows while the pointer rests on it."""
        exact = self.moment(at).strftime("%Y-%m-%d %H:%M:%S UTC%z")
        return element("span", span(self.now - at), title=exact)

    def clock(self, at: float) -> Markup:
        """A time as clocks tell it, with its day where that is not today."""
        moment = self.moment(at)
        shown = "%H:%M:%S" if moment.date() == self.moment(self.now).date() else "%d %b %H:%M"
        return element("span", moment.strftime(shown), title=f"{span(self.now - at)} ago")


def pill(word: str, tone: str = "") -> Markup:
    """A word in an oval; the tone is "good", "warn", "bad" or neither."""
    return element("span", word, class_=f"pill {tone}".strip())


def outcome_pill(outcome: Outcome, before: str = "") -> Markup:
    return pill(before + outcome.value, TONES.get(outcome, ""))


def label(release: Release) -> Markup:
    """A release by its label, its key behind it."""
    return element("span", release.label, class_="label", title=release.key)


def name(deployment: Deployment) -> str:
    """What people call it: the release's label, else the key of an upload that was refused."""
    return deployment.release.label if deployment.release else deployment.order.key


def span(seconds: float) -> str:
    """A time span in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
