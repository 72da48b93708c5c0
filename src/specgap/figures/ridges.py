"""How p − q is distributed in each group: outlines one above the other, and what they come to."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.figures.frame import Floats, legend, new_figure
from specgap.figures.groups import groups_of, names_by_group, units_of
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED

_COLOUR = COLOURS[0]
_ROW, _TALLEST = 0.27, 0.88
_ROOTS = (
    "Heights are square roots of shares, one scale for all groups: the spike at 0 would flatten all else. "
    "Every {unit} counts alike, whatever the number of its tokens."
)


@figure("distributions")
def draw_distributions(tables: Tables, request: Request) -> Figure:
    """Draw step outlines of p − q by group, and beside them medians with the ranges of 50 % and 90 %."""
    acceptance, table = tables["acceptance"], tables["distributions"]
    table = table[(table["quantity"] == "difference") & table["share"].notna()]
    medians = table.groupby("group")["median"].first()
    groups = sorted(groups_of(acceptance), key=lambda group: medians.get(group, -np.inf))
    unit = "prompt" if units_of(acceptance) == "prompts" else "identity term"
    notes = [_ROOTS.format(unit=unit)]
    drawn = new_figure(request, 0.8 + _ROW * len(groups), notes=notes, acceptance=acceptance)
    left, right = drawn.subplots(1, 2, sharey=True, width_ratios=[1.25, 1])
    tallest = float(np.sqrt(table["share"].max())) if len(table) else 1.0
    for place, group in enumerate(groups):
        rows = table[table["group"] == group].sort_values("low")
        if rows.empty:
            left.text(-0.5, place + 0.3, "nothing judged", ha="center", va="center", color=MUTED)
            continue
        _draw_ridge(left, place, rows, tallest)
        _draw_ranges(right, place, rows.iloc[0])
    names = names_by_group(acceptance)
    left.set_yticks(range(len(groups)), [names[group] for group in groups])
    left.set(ylim=(-0.35, len(groups) + 0.05), xlim=(-1, 1), xticks=[-1, -0.5, 0, 0.5, 1])
    right.set_xlim(*_limits(table))
    for axes in (left, right):
        axes.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
        axes.set_xlabel("p − q   (← draft surer · target surer →)")
    _explain(left, right)
    return drawn


def _draw_ridge(axes: Axes, place: int, rows: pd.DataFrame, tallest: float) -> None:
    edges = np.append(rows["low"], rows["high"].iloc[-1])
    heights = place + _TALLEST * np.sqrt(rows["share"].to_numpy(dtype=np.float64)) / tallest
    axes.stairs(heights, edges, baseline=place, fill=True, color=_COLOUR, alpha=0.22, linewidth=0, zorder=2)
    axes.stairs(heights, edges, baseline=None, color=_COLOUR, linewidth=0.8, zorder=3)


def _draw_ranges(axes: Axes, place: int, row: pd.Series) -> None:
    axes.hlines(place, row["p05"], row["p95"], color=_COLOUR, linewidth=0.9, zorder=2)
    axes.hlines(place, row["p25"], row["p75"], color=_COLOUR, linewidth=3.4, zorder=3)
    axes.plot(row["median"], place, "o", color=INK, markersize=3.6, zorder=4)


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    ends: Floats = table[["p05", "p95"]].to_numpy(dtype=np.float64).ravel()
    finite = ends[np.isfinite(ends)]
    low, high = min([*finite, -0.05]), max([*finite, 0.05])
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _explain(left: Axes, right: Axes) -> None:
    how = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
    legend(left, [Line2D([], [], color=_COLOUR, linewidth=0.8)], ["share of judged tokens per bin"], **how)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=INK, markersize=3.6),
        Line2D([], [], color=_COLOUR, linewidth=3.4),
        Line2D([], [], color=_COLOUR, linewidth=0.9),
    ]
    legend(right, handles, ["median", "50 % of tokens", "90 %"], ncols=3, columnspacing=1.2, **how)
