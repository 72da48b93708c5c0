"""Acceptance rate by group with its two intervals."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.figures.beside import write_beside
from specgap.figures.frame import legend, new_figure, nothing, padded
from specgap.figures.groups import names_by_group, units_of
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.two_intervals import (
    draw_intervals,
    ends_of,
    interval_legend,
    interval_notes,
    interval_rows,
    range_text,
)

_COLOUR, _MEAN = COLOURS[4], COLOURS[1]
_DOTTED = (0, (1, 1.5))
#: Where the columns of words end, in points right of the panel.
_COLUMNS = (28, 94, 160)


@figure("forest")
def draw_forest(tables: Tables, request: Request) -> Figure:
    """Draw each group's pooled rate with both intervals and its prompt mean, sorted by the former."""
    acceptance, intervals = tables["acceptance"], tables["intervals"]
    rows = interval_rows(acceptance, intervals, "acceptance_rate")
    rows = rows.sort_values("value", kind="stable", na_position="first").reset_index(drop=True)
    means = interval_rows(acceptance, intervals, "acceptance_rate", weight="prompt_mean")
    by_group = means.set_index("group")["value"]
    units = units_of(acceptance)
    notes = interval_notes(rows, units=units, mode=request.facts.mode)
    drawn = new_figure(request, 0.95 + 0.185 * len(rows), notes=notes, acceptance=acceptance)
    axes = drawn.subplots()
    draw_intervals(axes, rows, _COLOUR)
    diamonds = by_group.loc[rows["group"]].to_numpy(dtype=np.float64)
    # Above the row's line: on it, the diamond would hide behind the dot.
    axes.plot(
        diamonds, np.arange(len(rows)) + 0.3, "D", color=_MEAN, markersize=2.8, markerfacecolor="white",
        markeredgewidth=0.8, linestyle="", zorder=5,
    )  # fmt: skip
    if request.facts.acceptance_rate is not None:
        axes.axvline(request.facts.acceptance_rate, color=INK, linestyle=_DOTTED, linewidth=1, zorder=1)
    names = names_by_group(acceptance)
    limits = padded(np.concatenate([ends_of(rows), diamonds]))
    axes.set(xlabel="acceptance rate", xlim=limits, ylim=(-0.7, len(rows) - 0.3))
    axes.set_yticks(range(len(rows)), [names[group] for group in rows["group"]])
    if rows["value"].isna().all():
        nothing(axes, "nothing judged")
    _write_columns(axes, rows, units)
    _explain(axes, units)
    return drawn


def _write_columns(axes: Axes, rows: pd.DataFrame, units: str) -> None:
    heads = ("rate", f"{units} like these", "terms × templates" if units == "terms" else "prompts")
    write_beside(axes, len(rows) - 0.05, heads, _COLUMNS, MUTED)
    for place, (_, row) in enumerate(rows.iterrows()):
        rate = "–" if np.isnan(row["value"]) else f"{row['value']:.3f}"
        outer = range_text(row["like_low"], row["like_high"])
        write_beside(axes, place, (rate, outer, _layout(row, units)), _COLUMNS, INK)


def _layout(row: pd.Series, units: str) -> str:
    if units == "prompts":
        return _whole(row["n_units"])
    return f"{_whole(row['n_terms'])} × {_whole(row['n_templates'])}"


def _whole(count: float) -> str:
    return "–" if np.isnan(count) else f"{count:,.0f}"


def _explain(axes: Axes, units: str) -> None:
    handles, labels = interval_legend(_COLOUR, units)
    handles += [
        Line2D([], [], marker="o", linestyle="", color=INK, markersize=3.6),
        Line2D([], [], marker="D", linestyle="", color=_MEAN, markersize=2.8, markerfacecolor="white"),
        Line2D([], [], color=INK, linestyle=_DOTTED),
    ]
    labels += ["over judged tokens", "prompt mean", "all prompts"]
    legend(
        axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2,
        columnspacing=1.2, handlelength=1.6,
    )  # fmt: skip
