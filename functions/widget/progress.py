"""Draws the deployment under way: who deploys what, and its phases as a bar that fills."""

from twinslot.domain.model import Deployment, Kind, Outcome, Phase

from .markup import Markup, element
from .reading import Shown
from .view import View, name, span

DOING = {Kind.UPLOAD: "Deploying", Kind.ROLLBACK: "Rolling back to", Kind.JOIN: "Joining a new host to"}
FULLEST = 0.95
"""How full the piece of a phase gets that takes longer than expected."""

SHORTEST_SECONDS = 2.0


def progress(shown: Shown, view: View) -> Markup | None:
    """Draw the bar; None when nothing is under way."""
    current, waiting = shown.application.current, shown.application.waiting
    if not current:
        return None
    began = current.timeline[0].at if current.timeline else view.now
    return element(
        "div",
        element(
            "div",
            element("b", f"{DOING.get(current.kind, current.kind.value)} {name(current)}"),
            element("span", f"by {current.by}, for {span(view.now - began)} so far", class_="muted"),
            element("span", f"{name(waiting)} waits", class_="muted") if waiting else None,
            class_="title",
        ),
        element("div", *[_phase(phase, current, shown, view) for phase in _phases(current)], class_="phases"),
        class_="way",
    )


def _phases(current: Deployment) -> list[Phase]:
    """Return the phases that it will pass through, as far as they are known now."""
    if current.phase is Phase.REVERTING:
        return [phase for phase in Phase if phase.has_step and _entered(current, phase)]
    return [phase for phase in Phase if phase.working]


def _phase(phase: Phase, current: Deployment, shown: Shown, view: View) -> Markup:
    """Draw one piece of the bar: full when the phase was left, else by the seconds that it should take."""
    spent, entered = current.seconds().get(phase.value), _entered(current, phase)
    if current.phase is phase and entered is not None:
        so_far = max(view.now - entered, 0.0)
        share = min(so_far / _expected(phase, current, shown), FULLEST)
        shade, length = "now", f" {so_far:.0f} s"
    elif spent is not None:
        share, shade, length = 1.0, "done", f" {spent:.1f} s"
    else:
        share, shade, length = 0.0, "ahead", ""
    fill = element("div", class_="fill", style=f"width: {share:.0%}")
    track = element("div", fill, class_="track")
    return element("div", track, phase.value + length, class_=f"phase {phase.value} {shade}")


def _expected(phase: Phase, current: Deployment, shown: Shown) -> float:
    """Return the seconds that a phase should take: a bake by its setting, another as in the last LIVE one."""
    if phase is Phase.BAKING:
        return max(float(current.settings.bake_seconds), SHORTEST_SECONDS)
    for deployment in shown.history:
        spent = deployment.seconds().get(phase.value)
        if deployment.outcome is Outcome.LIVE and spent:
            return max(spent, SHORTEST_SECONDS)
    return 10 * SHORTEST_SECONDS


def _entered(deployment: Deployment, phase: Phase) -> float | None:
    times = [entry.at for entry in deployment.timeline if entry.phase is phase]
    return times[-1] if times else None
