"""Where the draft is surer than the target: how often, and by how much."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.beside import write_beside
from specgap.figures.frame import legend, new_figure, nothing, padded
from specgap.figures.groups import names_by_group, units_of
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK
from specgap.figures.two_intervals import (
    draw_intervals,
    ends_of,
    interval_legend,
    interval_notes,
    interval_rows,
)

_PANELS = {
    "surer_rate": ("how often", "judged tokens with q > p / judged tokens", COLOURS[4]),
    "severity": ("how severe", "mean of (1 − p/q) where q > p, else 0", COLOURS[5]),
}


@figure("surer_draft")
def draw_surer_draft(tables: Tables, request: Request) -> Figure:
    """Draw the rate of q > p and the severity E[(1 − p/q)₊] by group with both intervals."""
    acceptance, intervals = tables["acceptance"], tables["intervals"]
    rate = interval_rows(acceptance, intervals, "surer_rate")
    order = rate.sort_values("value", kind="stable", na_position="first").index
    rows = {
        name: interval_rows(acceptance, intervals, name).loc[order].reset_index(drop=True) for name in _PANELS
    }
    units = units_of(acceptance)
    notes = interval_notes(pd.concat(rows.values()), units=units, mode=request.facts.mode)
    drawn = new_figure(request, 0.85 + 0.175 * len(order), notes=notes, acceptance=acceptance)
    panels = drawn.subplots(1, 2, sharey=True)
    for axes, (name, (title, label, colour)) in zip(panels, _PANELS.items(), strict=True):
        _draw(axes, rows[name], colour)
        axes.set(xlabel=label, xlim=padded(ends_of(rows[name])))
        legend(
            axes, *interval_legend(colour, units), title=title, loc="lower left", bbox_to_anchor=(0, 1.0),
            ncols=2, borderaxespad=0.2, columnspacing=1.0, handlelength=1.6,
        )  # fmt: skip
    names = names_by_group(acceptance)
    panels[0].set_yticks(range(len(order)), [names[group] for group in acceptance["group"].loc[order]])
    panels[0].set_ylim(-0.7, len(order) - 0.4)
    return drawn


def _draw(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    draw_intervals(axes, rows, colour)
    for place, value in enumerate(rows["value"]):
        write_beside(axes, place, ("–" if np.isnan(value) else f"{value:.3f}",), (24,), INK)
    if rows["value"].isna().all():
        nothing(axes, "nothing judged")
