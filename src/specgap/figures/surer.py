"""Where the draft is surer than the target: the rate by group, and the tokens."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.frame import new_figure, nothing, padded
from specgap.figures.groups import marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.text import shown

_ROWS = 15
#: Heading, where it stands in the panel (share of its width), side.
_COLUMNS = (
    ("token", 0.0, "left"),
    ("rejected", 0.41, "right"),
    ("accepted", 0.57, "right"),
    ("mean p, q", 0.76, "right"),
    ("instead", 0.8, "left"),
)


@figure("surer_draft_tokens")
def draw_surer_draft_tokens(tables: Tables, request: Request) -> Figure:
    """Draw the share of judged tokens with q > p by group, and list the tokens behind it."""
    acceptance = tables["acceptance"].sort_values("surer_rate", kind="stable", na_position="first")
    height = max(0.6 + 0.15 * len(acceptance), 0.6 + 0.145 * (_ROWS + 1))
    drawn = new_figure(request, height, acceptance=acceptance)
    left, right = drawn.subplots(1, 2, width_ratios=[0.85, 1.15])
    _draw_rates(left, acceptance)
    _draw_tokens(right, tables["surer_tokens--overall"])
    return drawn


def _draw_rates(axes: Axes, acceptance: pd.DataFrame) -> None:
    y = np.arange(len(acceptance))
    for place, (rate, n_terms) in enumerate(
        zip(acceptance["surer_rate"], acceptance["n_terms"], strict=True)
    ):
        axes.plot(rate, place, "o", color=COLOURS[0], markerfacecolor="white" if n_terms == 1 else COLOURS[0])
    axes.set_yticks(y, marked_names(acceptance))
    axes.set(
        xlabel="judged tokens with q > p / judged tokens", xlim=padded(acceptance["surer_rate"].to_numpy())
    )
    axes.set_ylim(-0.7, len(acceptance) - 0.3)
    axes.set_title("rate by group")
    for place, (rate, n) in enumerate(zip(acceptance["surer_rate"], acceptance["n_judged"], strict=True)):
        words = "nothing judged" if np.isnan(rate) else f"{rate:.3f}   n {n:,.0f}"
        axes.text(
            1.02, place, words, transform=axes.get_yaxis_transform(), va="center", fontsize=6.2, color=MUTED
        )


def _top(tokens: pd.DataFrame) -> pd.DataFrame:
    """Return the tokens most often surer in the draft, their two verdicts in one row."""
    counts = tokens.pivot_table(index="token", columns="verdict", values="count", aggfunc="sum", fill_value=0)
    counts = counts.reindex(columns=["rejected", "accepted"], fill_value=0)
    counts["both"] = counts.sum(axis=1)
    counts = counts.sort_values("both", ascending=False, kind="stable").head(_ROWS)
    rejected_first = tokens.sort_values("verdict", ascending=False, kind="stable").drop_duplicates("token")
    return counts.join(rejected_first.set_index("token")[["text", "mean_p", "mean_q", "replaced_by"]])


def _draw_tokens(axes: Axes, tokens: pd.DataFrame) -> None:
    axes.set_axis_off()
    axes.set_title("tokens most often surer in the draft, all prompts")
    if tokens.empty:
        nothing(axes, "no such token")
        return
    top = _top(tokens)
    step = 1 / (len(top) + 1)
    _line(axes, 1 - step / 2, [heading for heading, _, _ in _COLUMNS], MUTED)
    for place, (_, row) in enumerate(top.iterrows(), start=1):
        means = "–" if np.isnan(row["mean_p"]) else f"{row['mean_p']:.2f}, {row['mean_q']:.2f}"
        instead = _instead(str(row["replaced_by"]))
        cells = [str(row["text"]), f"{row['rejected']:,.0f}", f"{row['accepted']:,.0f}", means, instead]
        _line(axes, 1 - step * (place + 0.5), cells, INK)


def _instead(replaced_by: str) -> str:
    """Return the token emitted most often instead, with its count; the token gives way to the count."""
    token, times, count = replaced_by.split("; ")[0].rpartition("×")
    return f"{shown(token, longest=7, font='mono')}{times}{count}" or "–"


def _line(axes: Axes, y: float, cells: list[str], colour: str) -> None:
    for (heading, x, side), cell in zip(_COLUMNS, cells, strict=True):
        is_token = colour == INK and heading in ("token", "instead")
        words = shown(cell, longest=12, font="mono") if is_token else cell
        text = axes.text(
            x,
            y,
            words,
            transform=axes.transAxes,
            ha=side,
            va="center",
            fontsize=6.2,
            color=colour,
            family="monospace" if is_token else "sans-serif",
        )
        text.set_in_layout(False)
