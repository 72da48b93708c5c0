"""How γ moves from round to round under a heuristic schedule."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from specgap.figures.frame import legend, log_axis, new_figure, nothing
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, FEWEST_TOKENS, INK, MUTED, look
from specgap.figures.text import shown

#: As `specgap.tables.schedule_state` names its series.
_EVERY = "all"
_BANDS = (("requested_p05", "requested_p95", "#d9e8f3"), ("requested_p25", "requested_p75", "#a9cbe4"))
_CUT = f"Median and bands end where fewer than {FEWEST_TOKENS} continuations are left."


@figure("schedule_state")
def draw_schedule_state(tables: Tables, request: Request) -> Figure:
    """Draw median and bands of γ by round, the example sequences as steps, and how many got that far."""
    table = tables["schedule_state"]
    every, examples = table[table["series"] == _EVERY], table[table["series"] != _EVERY]
    name = shown(str(table["setting"].iloc[0])) if len(table) else ""
    drawn = new_figure(request, 3.3, subtitle=f"setting {name}" if name else "", notes=[_CUT])
    top, below = drawn.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _draw_bands(top, every[(every["n"] >= FEWEST_TOKENS).cummin()])
    n_examples = _draw_examples(top, examples)
    below.bar(every["round"] + 1, every["n"], width=0.8, color=FAINT)
    log_axis(below, 0.7, float(max([*every["n"], 10])) * 1.6)
    below.axhline(FEWEST_TOKENS, color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)))
    below.set(ylabel="continu-\nations", xlabel="round of a continuation")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    below.set_xlim(0.4, float(max([*every["round"], *examples["round"], 0])) + 1.6)
    top.set_ylabel("γ asked for")
    top.yaxis.set_major_locator(MaxNLocator(integer=True))
    top.set_ylim(0, float(max([*every["requested_p95"], *examples["requested"], 1])) * 1.06)
    if every.empty:
        nothing(top, "no rounds")
    _explain(top, n_examples)
    return drawn


def _draw_bands(axes: Axes, rows: pd.DataFrame) -> None:
    x = rows["round"].to_numpy(dtype=np.float64) + 1
    for low, high, colour in _BANDS:
        axes.fill_between(x, rows[low], rows[high], step="mid", color=colour, linewidth=0, zorder=2)
    axes.step(x, rows["requested_median"], where="mid", color=COLOURS[0], linewidth=1.8, zorder=4)


def _draw_examples(axes: Axes, rows: pd.DataFrame) -> int:
    prompts = list(dict.fromkeys(rows["prompt"]))
    for number, prompt in enumerate(prompts):
        of, one = rows[rows["prompt"] == prompt].sort_values("round"), look(number + 1)
        # Apart by a little, so that steps of one height are all seen.
        aside = 0.16 * (number - (len(prompts) - 1) / 2) / max(len(prompts) - 1, 1)
        axes.step(
            of["round"] + 1, of["requested"] + aside, where="mid", color=one.color, linestyle=one.linestyle,
            linewidth=0.8, zorder=3,
        )  # fmt: skip
        axes.plot(
            of["round"].iloc[-1:] + 1, of["requested"].iloc[-1:] + aside, "o", color=one.color, markersize=2.5
        )
    return len(prompts)


def _explain(axes: Axes, n_examples: int) -> None:
    handles = [
        Line2D([], [], color=COLOURS[0], linewidth=1.8),
        *(Patch(color=c) for *_, c in reversed(_BANDS)),
    ]
    labels = ["median", "half of all", "nine tenths"]
    if n_examples:
        handles.append(Line2D([], [], color=INK, linewidth=0.8, marker="o", markersize=2.5))
        labels.append(f"{n_examples} single prompts, to their last round")
    legend(axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0.2)
