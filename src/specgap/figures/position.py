"""Acceptance by draft position, given that the position was judged."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from specgap.figures.frame import finish_panels, log_axis, new_figure, nothing
from specgap.figures.groups import groups_of, names_by_group, units_of
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, FEWEST_TOKENS, INK, MUTED

_CUT = f"A line ends where a position has fewer than {FEWEST_TOKENS} judged tokens."
_BANDS = (
    "Bands hold 95 % with {units} as clusters, position by position; where too few were judged there is none."
)
_COLUMNS, _COLUMNS_OF_MANY, _MANY = 4, 5, 12
_TOP, _PANEL = 1.75, 0.98


@figure("position")
def draw_position(tables: Tables, request: Request) -> Figure:
    """Draw accepted / judged at each position with bands: all prompts, n judged, and each group."""
    table, overall = tables["acceptance_by_position"], tables["acceptance_by_position--overall"]
    acceptance = tables["acceptance"]
    groups, names = groups_of(acceptance), names_by_group(acceptance, longest=25)
    columns = min(_COLUMNS if len(groups) <= _MANY else _COLUMNS_OF_MANY, len(groups))
    rows = math.ceil(len(groups) / columns)
    notes = [_CUT, _BANDS.format(units=units_of(acceptance))]
    drawn = new_figure(request, _TOP + 0.3 + _PANEL * rows, notes=notes, acceptance=acceptance)
    grid = drawn.add_gridspec(2, 1, height_ratios=[_TOP, 0.3 + _PANEL * rows])
    uppers = grid[0].subgridspec(2, 1, height_ratios=[2.4, 1]).subplots(sharex=True, squeeze=False)
    top, below = uppers.ravel()
    panels = grid[1].subgridspec(rows, columns).subplots(sharex=True, sharey=True, squeeze=False).ravel()
    everyone = _well_supported(overall)
    _draw_line(top, everyone, INK, thick=True)
    if everyone.empty:
        nothing(top, f"no position has {FEWEST_TOKENS} judged tokens")
    _draw_judged(below, overall)
    limits, last = _limits(table, everyone), _last(overall)
    for axes, group in zip(panels, groups, strict=False):
        of_group = _well_supported(table[table["group"] == group])
        axes.plot(everyone["position"], everyone["conditional_acceptance"], color=FAINT, linewidth=1)
        _draw_line(axes, of_group, COLOURS[0], thick=False)
        axes.set_title(names[group], fontsize=6.2)
        if of_group.empty:
            nothing(axes, "too few judged tokens", height=0.15)
    finish_panels(panels, len(groups), columns, "draft position")
    for axes in (top, below, panels[0]):
        nbins = 6 if axes is panels[0] else 12
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=nbins, min_n_ticks=1))
        axes.set_xlim(0.4, last + 0.6)
    top.set(ylim=limits, title="all prompts")
    panels[0].set_ylim(limits)
    for axes in (top, panels[rows // 2 * columns]):
        axes.set_ylabel("accepted /\njudged there")
    return drawn


def _draw_line(axes: Axes, rows: pd.DataFrame, colour: str, *, thick: bool) -> None:
    axes.fill_between(rows["position"], rows["low"], rows["high"], color=colour, alpha=0.22, linewidth=0)
    axes.plot(
        rows["position"], rows["conditional_acceptance"], color=colour, linewidth=1.8 if thick else 1.0,
        marker="o", markersize=3.5 if thick else 2,
    )  # fmt: skip


def _draw_judged(axes: Axes, overall: pd.DataFrame) -> None:
    judged = overall[overall["n_judged"] > 0]
    axes.bar(judged["position"], judged["n_judged"], width=0.7, color=FAINT)
    axes.axhline(FEWEST_TOKENS, color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)))
    log_axis(axes, 0.7, float(max([*judged["n_judged"], 10])) * 1.6, step=2)
    axes.set(ylabel="judged", xlabel="draft position")


def _well_supported(rows: pd.DataFrame) -> pd.DataFrame:
    """Cut a group's positions at the first with too few judged tokens."""
    rows = rows.sort_values("position")
    return rows[(rows["n_judged"] >= FEWEST_TOKENS).cummin()]


def _last(overall: pd.DataFrame) -> float:
    return float(max([*overall.loc[overall["n_judged"] > 0, "position"], 1]))


def _limits(table: pd.DataFrame, everyone: pd.DataFrame) -> tuple[float, float]:
    """Return limits that hold every line; bands of few units may go beyond."""
    many = table[table["n_judged"] >= FEWEST_TOKENS]
    values = np.concatenate(
        [many["conditional_acceptance"], everyone["conditional_acceptance"], everyone["low"].dropna()]
    )
    return (max(0.0, float(values.min()) - 0.08), 1.02) if len(values) else (0.0, 1.02)
