"""The instrument's own check: tokens accepted as often as their probabilities say."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.frame import log_axis, new_figure, nothing
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, INK, MUTED, NARROW

_HOW = (
    "Bars: where 95 % of such shares fall if the record is right (binomial). The points must lie on the line."
)


@figure("calibration")
def draw_calibration(tables: Tables, request: Request) -> Figure:
    """Draw the share accepted against the mean of min(1, p/q) in fixed bins, with the atom at 1 apart."""
    table = tables["calibration"]
    drawn = new_figure(request, 3.4, width=NARROW + 0.65, notes=[_HOW])
    panels = drawn.subplots(2, 2, sharex="col", sharey="row", height_ratios=[3, 1], width_ratios=[1, 0.11])
    is_atom = table["low"] >= 1
    for column, rows in enumerate((table[~is_atom], table[is_atom])):
        rows = rows[rows["n_judged"] > 0]
        _draw_points(panels[0, column], rows)
        panels[1, column].bar(
            rows["low"],
            rows["n_judged"],
            width=(rows["high"] - rows["low"]).clip(lower=0.05),
            align="edge",
            color=FAINT,
        )
    if not table["n_judged"].sum():
        nothing(panels[0, 0], "nothing judged")
    panels[0, 0].plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, zorder=1)
    panels[0, 0].set(ylabel="share accepted", ylim=(-0.03, 1.03), xlim=(-0.01, 1.01))
    panels[1, 0].set(ylabel="judged", xlabel="recorded min(1, p/q)")
    log_axis(panels[1, 0], 0.7, float(max([*table["n_judged"], 10])) * 1.6)
    panels[1, 1].set(xlim=(0.97, 1.08), xticks=[1.025], xticklabels=["= 1"])
    return drawn


def _draw_points(axes: Axes, rows: pd.DataFrame) -> None:
    x = rows["mean_min_ratio"] + 0.025 * (rows["low"] >= 1)
    axes.vlines(x, rows["band_low"], rows["band_high"], color=COLOURS[4], linewidth=3.2)
    axes.plot(x, rows["acceptance_rate"], "o", color=INK, markersize=2.6)
