"""Tokens that are more typical of one group than of the rest, where the draft is surer than the target."""

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.figures.frame import finish_panels, legend, new_figure, nothing
from specgap.figures.groups import groups_of, names_by_group
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.text import shown

_LOOKS = {"rejected": ("s", COLOURS[1], True), "accepted": ("o", COLOURS[0], False)}
_COLUMNS = 3
#: Tokens of a group and verdict; fewer where there are many groups.
_TOP, _TOP_OF_MANY, _MANY = 4, 2, 15
#: Width of the words in an empty panel, in characters.
_REASON = 26
_ROW, _AROUND = 0.118, 0.36
_EXPLORATORY = "Exploratory: these tokens were chosen for standing out, so nothing here is a test."
_SORTED = (
    "Lines: where 95 % of resampled terms put a token, of groups with three terms or more. Tokens are sorted "
    "by z, their log-odds in standard errors, and chosen for standing out: a line that leaves 0 out proves "
    "nothing."
)


@figure("distinctive_tokens")
def draw_distinctive_tokens(tables: Tables, request: Request) -> Figure:
    """Draw each group's most distinctive tokens by verdict: log-odds against the rest, with intervals."""
    acceptance, tokens = tables["acceptance"], tables["distinctive_tokens"]
    groups, names = groups_of(acceptance), names_by_group(acceptance, longest=25)
    top = _TOP if len(groups) < _MANY else _TOP_OF_MANY
    columns = min(_COLUMNS, len(groups))
    rows = math.ceil(len(groups) / columns)
    height = 0.5 + rows * (_AROUND + 2 * top * _ROW)
    drawn = new_figure(request, height, subtitle=_EXPLORATORY, notes=[_SORTED], acceptance=acceptance)
    panels = drawn.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    chosen = {group: _chosen(tokens[tokens["group"] == group], top) for group in groups}
    limits = _limits(pd.concat(chosen.values()))
    for axes, group, judged in zip(panels, groups, acceptance["n_judged"], strict=False):
        _draw_group(axes, chosen[group])
        axes.set(ylim=(2 * top - 0.4, -0.6), xlim=limits)
        axes.set_title(names[group], fontsize=6.5)
        if chosen[group].empty:
            nothing(axes, _why_empty(tokens[tokens["group"] == group], judged))
    finish_panels(panels, len(groups), columns, "log-odds against the rest")
    handles = [
        Line2D(
            [], [], marker=m, color=c, markerfacecolor=c if full else "white", markersize=3.2, linewidth=0.9
        )
        for m, c, full in _LOOKS.values()
    ]
    # Above the first panel's title, which takes 12 points.
    above = 1 + 12 / (72 * 2 * top * _ROW)
    how = {"loc": "lower left", "bbox_to_anchor": (-0.02, above), "borderaxespad": 0}
    legend(panels[0], handles, [f"q > p and {verdict}" for verdict in _LOOKS], **how)
    return drawn


def _chosen(rows: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the first tokens of each verdict among those that are more typical of the group."""
    rows = rows[rows["log_odds"].notna() & (rows["z"] > 0)]
    parts = [
        rows[rows["verdict"] == verdict].sort_values("z", ascending=False, kind="stable").head(top)
        for verdict in _LOOKS
    ]
    return pd.concat(parts).reset_index(drop=True)


def _why_empty(rows: pd.DataFrame, judged: float) -> str:
    if not judged > 0:
        return "nothing judged"
    # A group's own notes come first, the reason last.
    reasons = dict.fromkeys(str(note).split("; ")[-1] for note in rows["note"])
    return "\n".join(line for reason in reasons for line in textwrap.wrap(reason, _REASON)) or "no such token"


def _limits(shown_rows: pd.DataFrame) -> tuple[float, float]:
    ends = shown_rows[["log_odds", "low", "high"]].to_numpy(dtype=np.float64).ravel()
    finite = ends[np.isfinite(ends)]
    low, high = min(0.0, *finite, 0.0), max(0.5, *finite, 0.5)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _draw_group(axes: Axes, rows: pd.DataFrame) -> None:
    for place, (_, row) in enumerate(rows.iterrows()):
        marker, colour, full = _LOOKS[str(row["verdict"])]
        axes.hlines(place, row["low"], row["high"], color=colour, linewidth=0.9)
        axes.plot(
            row["log_odds"],
            place,
            marker,
            color=colour,
            markersize=3.2,
            markerfacecolor=colour if full else "white",
        )
    axes.axvline(0, color=MUTED, linewidth=0.7)
    axes.grid(visible=False, axis="y")
    labels = [shown(str(text), longest=13, font="mono") for text in rows["text"]]
    axes.set_yticks(range(len(rows)), labels, family="monospace", fontsize=6, color=INK)
    axes.tick_params(axis="y", length=0)
