"""Draws the results: seconds of a sweep by its two ways, and tokens per second of the collectors."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.aggregate.plot import COLOURS


def draw(report: dict[str, Any], path: Path) -> None:
    """Save two panels of bars on logarithmic axes; exact numbers stand beside them."""
    seconds = report["seconds"]
    whole = {
        f"assisted, {report['n_settings']} runs (scaled)": seconds["assisted sweep (scaled)"],
        "paths + tails + replay": sum(seconds[stage] for stage in ("paths", "tails", "replay")),
    }
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(8, 4), layout="constrained")
        sweep, collectors = figure.subplots(2, height_ratios=[2, 3])
        _bars(sweep, whole, "s")
        sweep.set_title(
            f"{report['n_settings']} settings of {report['n_continuations']:,} continuations: seconds",
            loc="left",
            fontsize=10,
            fontweight="bold",
        )
        _bars(collectors, report["tokens_per_second"], "tokens/s")
        collectors.set_title("collectors: tokens per second", loc="left", fontsize=10, fontweight="bold")
        figure.supxlabel(_caption(report), fontsize=7.5, color="#6b6b6b")
        figure.savefig(path, dpi=150, metadata={"Software": None})


def _bars(axis: Axes, values: dict[str, float], unit: str) -> None:
    names = list(values)[::-1]
    numbers = [values[name] for name in names]
    axis.barh(
        names,
        numbers,
        color=[COLOURS["peers" if "assisted" in name else "ours"] for name in names],
        height=0.7,
    )
    for place, number in enumerate(numbers):
        axis.text(number, place, f" {number:,.0f} {unit}", va="center", fontsize=9)
    axis.set_xscale("log")
    axis.set_xlim(min(numbers) / 3, max(numbers) * 6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _caption(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    return (
        f"{machine['cpu']}, one thread, {machine['memory_gib']:.0f} GiB; median of {report['rounds']} runs; "
        f"the embedded pair, sampled; torch {versions['torch']}, transformers {versions['transformers']}"
    )
