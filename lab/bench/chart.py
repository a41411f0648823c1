"""Draws the results of bench.flip: lost requests, the delay of each flip, and the cost for every request."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_COLOURS = {"twinslot": "#1f4e79", "reload": "#c00000", "plain": "#9aa5b1"}
_NAMES = {"twinslot": "twinslot", "reload": "nginx -s reload", "plain": "plain proxy_pass"}


def draw(path: Path, result: dict[str, Any]) -> None:
    """Write the picture of a result of bench.flip as a PNG."""
    figure = Figure(figsize=(12, 4), dpi=120, layout="constrained")
    lost, delay, throughput = figure.subplots(1, 3)
    methods = ["twinslot", "reload"]
    for axes, title, names, values in (
        (
            lost,
            f"requests lost in {result['flips']} flips",
            methods,
            [result[method]["lost"] for method in methods],
        ),
        (
            throughput,
            "requests a second, no flips",
            ["twinslot", "plain"],
            [result["throughput"][name] for name in ("twinslot", "plain")],
        ),
    ):
        bars = axes.bar([_NAMES[n] for n in names], values, color=[_COLOURS[n] for n in names], width=0.6)
        axes.bar_label(bars, [f"{value:,.0f}" for value in values])
        axes.set_title(title)
        axes.margins(y=0.15)
    for method in methods:
        each = sorted(result[method]["seconds_to_new_slot"]["each"])
        share = [(number + 1) / len(each) for number in range(len(each))]
        delay.step(
            [s * 1000 for s in each], share, where="post", color=_COLOURS[method], label=_NAMES[method]
        )
    delay.set_title("from the call to the new slot's answer")
    delay.set_xlabel("milliseconds")
    delay.set_ylabel("share of the flips")
    delay.set_xlim(left=0)
    delay.legend(loc="lower right")
    figure.suptitle(
        f"wrk with {result['connections']} keep-alive connections; "
        f"load, nginx and both slots on one machine with {result['processors']} processors"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
