"""The settings of a decoding against each other."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.config import OVERALL
from specgap.figures.frame import histogram, legend, log_axis, new_figure, side_legend, steps, unit_ticks
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, look
from specgap.figures.text import names_of, shown

_QUANTITIES = {"p": "target probability p", "q": "draft probability q"}
#: Longest setting's name that fits upright below an axis, times the number of settings.
_ROOM = 90


@figure("probabilities_by_setting")
def draw_probabilities_by_setting(tables: Tables, request: Request) -> Figure:
    """Draw p and q as shares of each setting's accepted (above) and rejected (below) tokens."""
    table = tables["histograms"]
    settings = list(dict.fromkeys(table["setting"]))
    drawn = new_figure(request, 3.7)
    panels = drawn.subplots(2, 2, sharex=True, sharey=True)
    highest, lowest, judged = 0.1, 0.01, dict.fromkeys(settings, 0.0)
    for setting in settings:
        judged[setting] = histogram(table, "p", ["accepted", "rejected"], setting=setting)[1].sum()
    for row, verdict in enumerate(("accepted", "rejected")):
        for column, quantity in enumerate(_QUANTITIES):
            for index, setting in enumerate(settings):
                edges, share = histogram(table, quantity, [verdict], values="share", setting=setting)
                if share.any():
                    steps(panels[row, column], edges, share, look(index))
                    highest, lowest = max(highest, share.max()), min(lowest, share[share > 0].min())
            panels[1, column].set_xlabel(_QUANTITIES[quantity])
        panels[row, 0].set_ylabel(f"share of the setting's\n{verdict} tokens")
    log_axis(panels[0, 0], lowest * 0.7, highest * 1.6)
    unit_ticks(panels[0, 0])
    labels = [f"{shown(setting)}\nn {judged[setting]:,.0f}" for setting in settings]
    side_legend(
        panels[0, 1], [look(index) for index in range(len(settings))], labels, title="setting, judged tokens"
    )
    return drawn


@figure("schedule_sweep")
def draw_schedule_sweep(tables: Tables, request: Request) -> Figure:
    """Draw three rates by setting on axes of their own: groups faint, all prompts in front."""
    table = tables["settings"]
    settings = list(dict.fromkeys(table["setting"]))
    drawn = new_figure(request, 3.9)
    panels = drawn.subplots(3, 1, sharex=True, height_ratios=[1.5, 1, 1])
    place = (
        table["setting"]
        .map({setting: index for index, setting in enumerate(settings)})
        .to_numpy(dtype=np.float64)
    )
    is_overall = (table["grouping"] == OVERALL).to_numpy()
    columns = (
        ("acceptance_rate", "acceptance rate"),
        ("draft_acceptance_rate", "accepted /\ndrafted"),
        ("block_efficiency", "emitted per\ntarget call"),
    )
    for axes, (column, label) in zip(panels, columns, strict=True):
        _draw_groups(axes, table[~is_overall], place[~is_overall], _group_column(column))
        axes.plot(place[is_overall], table[column][is_overall], "o", color=COLOURS[0], markersize=6, zorder=3)
        axes.set_ylabel(label)
    means = table["acceptance_rate_prompt_mean"][is_overall]
    panels[0].plot(place[is_overall] - 0.06, means, "D", color=COLOURS[1], markersize=5, zorder=4)
    rotated = max(map(len, settings)) * len(settings) > _ROOM
    how = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if rotated else {}
    panels[2].set_xticks(range(len(settings)), names_of(settings), **how)
    panels[2].set_xlim(-0.5, len(settings) - 0.5)
    _explain(panels[0])
    return drawn


def _group_column(column: str) -> str:
    """Return the column for groups: the mean over prompts depends least on the schedule."""
    return "acceptance_rate_prompt_mean" if column == "acceptance_rate" else column


def _draw_groups(axes: Axes, table: pd.DataFrame, place: np.ndarray, column: str) -> None:
    groups = {group: index for index, group in enumerate(dict.fromkeys(table["group"]))}
    beside = np.array([groups[group] for group in table["group"]], dtype=np.float64)
    # Fixed places beside the middle, so that the dots of one group can be followed from setting to setting.
    spread = 0.1 + 0.25 * beside / max(len(groups) - 1, 1)
    axes.plot(place + spread, table[column], "o", color=FAINT, markersize=3, zorder=2)


def _explain(axes: Axes) -> None:
    handles = [
        Line2D([], [], marker="D", linestyle="", color=COLOURS[1], markersize=5),
        Line2D([], [], marker="o", linestyle="", color=COLOURS[0], markersize=6),
        Line2D([], [], marker="o", linestyle="", color=FAINT, markersize=3),
    ]
    labels = [
        "all prompts, mean over prompts",
        "all prompts, over tokens",
        "groups (top panel: mean over prompts)",
    ]
    legend(axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2)
