"""Acceptance by draft position, given that the position was judged."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from specgap.figures.frame import legend, lines_of, log_axis, new_figure, nothing
from specgap.figures.groups import groups_of, marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import FAINT, FEWEST_TOKENS, INK, MUTED, Look, look

_CUT = f"A line ends where a position has fewer than {FEWEST_TOKENS} judged tokens."
_ALL = Look(INK, "-")


@figure("conditional_acceptance")
def draw_conditional_acceptance(tables: Tables, request: Request) -> Figure:
    """Draw accepted / judged at each position, by group and for all prompts, and how many were judged."""
    table, overall = tables["acceptance_by_position"], tables["acceptance_by_position--overall"]
    acceptance = tables["acceptance"]
    groups = groups_of(acceptance)
    height = max(3.2, 0.5 + 0.15 * (len(groups) + 1))
    drawn = new_figure(request, height, notes=[_CUT], acceptance=acceptance)
    top, below = drawn.subplots(2, 1, sharex=True, height_ratios=[2.4, 1])
    for index, group in enumerate(groups):
        of_group = _well_supported(table[table["group"] == group])
        one = look(index)
        top.plot(
            of_group["position"],
            of_group["conditional_acceptance"],
            color=one.color,
            linestyle=one.linestyle,
            linewidth=0.9,
        )
    everyone = _well_supported(overall)
    top.plot(
        everyone["position"],
        everyone["conditional_acceptance"],
        color=INK,
        linewidth=1.8,
        marker="o",
        markersize=3.5,
    )
    if everyone.empty:
        nothing(top, f"no position has {FEWEST_TOKENS} judged tokens")
    judged = overall[overall["n_judged"] > 0]
    below.bar(judged["position"], judged["n_judged"], width=0.7, color=FAINT)
    below.axhline(FEWEST_TOKENS, color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)))
    log_axis(below, 0.7, float(max([*judged["n_judged"], 10])) * 1.6)
    below.set(ylabel="judged,\nall prompts", xlabel="draft position")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    last = float(max([*judged["position"], 1]))
    below.set_xlim(0.4, last + 0.6)
    top.set(ylabel="accepted at position /\njudged at position", ylim=_limits(table, everyone))
    looks = [_ALL, *(look(index) for index in range(len(groups)))]
    legend(drawn, lines_of(looks), ["all prompts", *marked_names(acceptance)], loc="outside right center")
    return drawn


def _well_supported(rows: pd.DataFrame) -> pd.DataFrame:
    """Cut a group's positions at the first with too few judged tokens."""
    rows = rows.sort_values("position")
    return rows[(rows["n_judged"] >= FEWEST_TOKENS).cummin()]


def _limits(table: pd.DataFrame, everyone: pd.DataFrame) -> tuple[float, float]:
    many = table[table["n_judged"] >= FEWEST_TOKENS]
    values = np.concatenate([many["conditional_acceptance"], everyone["conditional_acceptance"]])
    return (max(0.0, float(values.min()) - 0.06), 1.02) if len(values) else (0.0, 1.02)
