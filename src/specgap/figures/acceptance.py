"""Acceptance rate by group."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.figures.beside import write_beside
from specgap.figures.frame import legend, new_figure, padded
from specgap.figures.groups import marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED

_POOLED, _MEAN = COLOURS[0], COLOURS[1]
#: Where the columns of words end, in points right of the panel.
_COLUMNS = (28, 100, 140)


@figure("acceptance_by_group")
def draw_acceptance_by_group(tables: Tables, request: Request) -> Figure:
    """Draw each group's rate over its judged tokens and the mean over its prompts, sorted by the former."""
    table = tables["acceptance"].sort_values("acceptance_rate", kind="stable", na_position="first")
    drawn = new_figure(request, 0.85 + 0.185 * len(table), acceptance=table)
    axes = drawn.subplots()
    for place, row in enumerate(table.to_dict("records")):
        _draw_row(axes, place, pd.Series(row))
    if request.facts.acceptance_rate is not None:
        axes.axvline(request.facts.acceptance_rate, color=INK, linestyle=(0, (1, 1.5)), linewidth=1, zorder=1)
    rates = table[["acceptance_rate", "acceptance_rate_prompt_mean"]].to_numpy(dtype=np.float64).ravel()
    axes.set(xlabel="acceptance rate", xlim=padded(rates), ylim=(-0.7, len(table) - 0.3))
    axes.set_yticks(range(len(table)), marked_names(table))
    write_beside(axes, len(table) - 0.05, ("rate", "terms × templates", "judged"), _COLUMNS, MUTED)
    _explain(axes)
    return drawn


def _draw_row(axes: Axes, place: int, row: pd.Series) -> None:
    one_term = row["n_terms"] == 1
    axes.plot(
        row["acceptance_rate_prompt_mean"], place, "D", color=_MEAN, markersize=3.2,
        markerfacecolor="white" if one_term else _MEAN,
    )  # fmt: skip
    axes.plot(
        row["acceptance_rate"], place, "o", color=_POOLED, markersize=5,
        markerfacecolor="white" if one_term else _POOLED,
    )  # fmt: skip
    write_beside(axes, place, _about(row), _COLUMNS, INK)


def _about(row: pd.Series) -> tuple[str, str, str]:
    layout = " × ".join(
        "–" if np.isnan(row[name]) else f"{row[name]:.0f}" for name in ("n_terms", "n_templates")
    )
    rate = "–" if np.isnan(row["acceptance_rate"]) else f"{row['acceptance_rate']:.3f}"
    return rate, layout, f"n {row['n_judged']:,.0f}"


def _explain(axes: Axes) -> None:
    handles = [
        Line2D([], [], marker="o", linestyle="", color=_POOLED, markersize=5),
        Line2D([], [], marker="D", linestyle="", color=_MEAN, markersize=3.2),
        Line2D([], [], color=INK, linestyle=(0, (1, 1.5))),
    ]
    labels = ["over judged tokens", "mean over prompts", "all prompts"]
    legend(axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2)
