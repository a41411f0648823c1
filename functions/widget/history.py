"""Draws the last deployments of an app: outcome, release, when, how long, by whom, and why not."""

from collections.abc import Sequence

from twinslot.domain.model import Deployment, Failure, Kind

from .markup import Markup, element, join
from .view import View, name, outcome_pill


def history(deployments: Sequence[Deployment], view: View) -> Markup | None:
    """Draw the table of those that have ended; None when there are none."""
    ended = [deployment for deployment in deployments if deployment.outcome]
    if not ended:
        return None
    longest = max(sum(deployment.seconds().values()) for deployment in ended)
    head = element(
        "tr",
        element("th", "outcome"),
        element("th", "release", class_="wide"),
        element("th", "when"),
        element("th", "seconds"),
        element("th", "phases", class_="optional"),
        element("th", "by", class_="optional"),
    )
    return element("table", head, *[_rows(deployment, longest, view) for deployment in ended])


def _rows(deployment: Deployment, longest: float, view: View) -> Markup:
    """Draw a line for how it ended, and one for why where it did not go live."""
    seconds = deployment.seconds()
    at = deployment.timeline[-1].at if deployment.timeline else deployment.order.at
    kind = None if deployment.kind is Kind.UPLOAD else element("span", f" {deployment.kind}", class_="muted")
    why = _why(deployment.failure)
    row = element(
        "tr",
        element("td", outcome_pill(deployment)),
        element("td", element("span", name(deployment), class_="label"), kind),
        element("td", view.clock(at), class_="number"),
        element("td", f"{sum(seconds.values()):.1f}", class_="number"),
        element("td", _bar(seconds, longest), class_="optional"),
        element("td", deployment.by, class_="by optional", title=deployment.by),
        class_="explained" if why else None,
    )
    return join(
        row, element("tr", element("td"), element("td", why, class_="why", colspan="5")) if why else None
    )


def _why(failure: Failure | None) -> str:
    if not failure or not failure.reason:
        return ""
    return f"{failure.host}: {failure.reason}" if failure.host else failure.reason


def _bar(seconds: dict[str, float], longest: float) -> Markup:
    """Draw what each phase took, to the scale of the longest deployment of the table."""
    pieces, at = [], 0.0
    for phase, spent in seconds.items():
        width = 100 * max(spent, 0.0) / longest if longest > 0 else 0.0
        title = element("title", f"{phase} {spent:.1f} s")
        place = {"x": f"{at:.2f}", "y": "0", "width": f"{width:.2f}", "height": "8"}
        pieces.append(element("rect", title, class_=phase, **place))
        at += width
    return element("svg", *pieces, viewBox="0 0 100 8", preserveAspectRatio="none")
