"""The picture of a demo's traffic: requests a second by who answered, under the deployments' phases."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lab.sandbox.demo.summary import Ended
from lab.sandbox.traffic.records import Traffic

SPAN_SECONDS = 0.2
SERVED_COLOURS = ("#1f4e79", "#5b9bd5", "#2a9d8f", "#9dc3e6")
ERROR_COLOUR = "#f4a259"
LOST_COLOUR = "#c00000"
PHASE_COLOURS = {"staging": "#d0d5db", "flipping": "#222222", "baking": "#a9cbe8", "reverting": "#f4a259"}
OUTCOME_COLOURS = {"LIVE": "#2e7d32", "FAILED": "#c00000", "REVERTED": "#b26a00"}


def draw(path: Path, deployments: Sequence[Ended], traffic: Traffic) -> None:
    """Write the picture as a PNG. Raises ValueError when there was no traffic."""
    if not len(traffic):
        raise ValueError("there was no traffic to draw")
    start = min(record.sent for record in traffic.records)
    end = max(record.sent for record in traffic.records)
    figure = Figure(figsize=(11, 4.6), dpi=120, layout="constrained")
    phases, requests = figure.subplots(2, 1, sharex=True, height_ratios=[1, 4])
    _draw_phases(phases, deployments, start)
    _draw_requests(requests, traffic, start)
    requests.set_xlim(0, end - start)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png")


def _draw_phases(axes: Axes, deployments: Sequence[Ended], start: float) -> None:
    """A bar a deployment, its phases one after the other, its release and its outcome above."""
    shown = [ended for ended in deployments if ended.told > start]
    for ended in shown:
        at = ended.asked - start
        for phase, spent in ended.phases.items():
            axes.barh(0, spent, left=at, height=0.5, color=PHASE_COLOURS.get(phase, "white"), linewidth=0)
            at += spent
        colour = OUTCOME_COLOURS.get(ended.outcome, "black")
        name = f"{ended.label} {ended.outcome}"
        axes.text(ended.asked - start, 0.35, name, ha="left", va="bottom", fontsize=8.5, color=colour)
    for phase, colour in PHASE_COLOURS.items():
        axes.barh(0, 0, color=colour, label=phase)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.6), ncols=len(PHASE_COLOURS), frameon=False)
    axes.set_ylim(-0.3, 0.9)
    axes.set_yticks([])
    axes.tick_params(bottom=False)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)


def _draw_requests(axes: Axes, traffic: Traffic, start: float) -> None:
    """What became of the requests, in spans short enough to show a flip."""
    rates = traffic.rates(start, SPAN_SECONDS)
    last = max(span for series in rates.values() for span in series)
    spans = range(max(last, 1))  # without the last: it is not over
    names = sorted(rates, key=lambda name: (name == "lost", name.endswith(" 5xx"), name))
    served = cycle(SERVED_COLOURS)
    special = {name: ERROR_COLOUR for name in names if name.endswith(" 5xx")} | {"lost": LOST_COLOUR}
    axes.stackplot(
        [span * SPAN_SECONDS for span in spans],
        *([rates[name].get(span, 0.0) for span in spans] for name in names),
        labels=names,
        colors=[special.get(name) or next(served) for name in names],
        step="post",
        linewidth=0,
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds since the load began")
    axes.set_ylabel("requests a second, by who answered")
    axes.legend(loc="lower left", ncols=len(names), framealpha=0.9)
    axes.spines[["top", "right"]].set_visible(False)
