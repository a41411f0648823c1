"""Draws a demo's traffic: requests a second by the release that answered, below the deployments' phases.

A colour has one meaning: releases are blue and green, a bad release's own errors amber, lost requests red,
and phases grey.
"""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lab.sandbox.demo.summary import PHASES, Ended
from lab.sandbox.traffic.records import LOST, Traffic

BIN_SECONDS = 1.0
TEXT_COLOUR = "#22272e"
RELEASE_COLOURS = ("#1f4e79", "#6aa5dc", "#2a9d8f", "#a3d5c9")
ERROR_COLOUR = "#f4a259"
LOST_COLOUR = "#c00000"
PHASE_COLOURS = dict(zip(PHASES, ("#d9dde2", "#22272e", "#adb5be", "#747d88"), strict=True))


def draw(path: Path, deployments: Sequence[Ended], traffic: Traffic) -> None:
    """Write the picture as a PNG. Raises ValueError when there was no traffic."""
    if not len(traffic):
        raise ValueError("there was no traffic to draw")
    start = min(record.sent for record in traffic.records)
    end = max(record.sent for record in traffic.records)
    figure = Figure(figsize=(11, 4.8), dpi=120, layout="constrained")
    figure.suptitle(title(traffic), x=0.01, ha="left", fontsize=14, fontweight="bold", color=TEXT_COLOUR)
    phases, requests = figure.subplots(2, 1, sharex=True, height_ratios=[1, 4])
    _draw_phases(phases, deployments, start)
    _draw_requests(requests, traffic, start)
    requests.set_xlim(0, end - start)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png")


def title(traffic: Traffic) -> str:
    """Return the result in words."""
    return f"{len(traffic):,} requests, {traffic.lost:,} lost"


def _draw_phases(axes: Axes, deployments: Sequence[Ended], start: float) -> None:
    """Draw each deployment's phases as a bar, with its release and outcome above."""
    for ended in deployments:
        if ended.announced <= start:
            continue
        # The last phase ends with the announcement; before the first one the deployment waits.
        at = ended.announced - sum(ended.phases.values()) - start
        name = f"rollback to {ended.label}" if ended.kind == "rollback" else ended.label
        axes.text(at, 0.35, f"{name}: {ended.outcome}", va="bottom", fontsize=9, color=TEXT_COLOUR)
        for phase, spent in ended.phases.items():
            axes.barh(0, spent, left=at, height=0.5, color=PHASE_COLOURS.get(phase, "white"), linewidth=0)
            at += spent
    for phase, colour in PHASE_COLOURS.items():
        axes.barh(0, 0, color=colour, label=phase)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.9), ncols=len(PHASE_COLOURS), frameon=False)
    axes.set_ylim(-0.3, 0.9)
    axes.set_yticks([])
    axes.tick_params(bottom=False)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)


def _draw_requests(axes: Axes, traffic: Traffic, start: float) -> None:
    """Draw the requests a second by what became of them; the legend has each kind's total."""
    rates: dict[str, dict[int, float]] = {LOST: {}, **traffic.rates(start, BIN_SECONDS)}
    last = max(number for series in rates.values() for number in series)
    bins = range(max(last, 1))  # without the last one, which is not complete
    names = sorted(rates, key=lambda name: (name == LOST, name.endswith(" 5xx"), name))
    release_colours = cycle(RELEASE_COLOURS)
    colours = [
        LOST_COLOUR if name == LOST else ERROR_COLOUR if name.endswith(" 5xx") else next(release_colours)
        for name in names
    ]
    axes.stackplot(
        [number * BIN_SECONDS for number in bins],
        *([rates[name].get(number, 0.0) for number in bins] for name in names),
        labels=[f"{name}: {sum(rates[name].values()) * BIN_SECONDS:,.0f}" for name in names],
        colors=colours,
        step="post",
        linewidth=0,
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds since the load began")
    axes.set_ylabel("requests a second")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.14), ncols=len(names), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
