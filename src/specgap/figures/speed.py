"""Measured speed-up by group."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.config import OVERALL
from specgap.figures.beside import write_beside
from specgap.figures.frame import new_figure, nothing, padded
from specgap.figures.groups import marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.text import shown

_ROW, _AROUND = 0.2, 0.75
_HOW = (
    "Right of the line at 1 assisted generation is faster than the target alone. 95 % intervals, prompts as "
    "clusters."
)
#: Where the columns of words end, in points right of the panel.
_COLUMNS = (36, 76, 122, 156)


@figure("measured_speed_up")
def draw_measured_speed_up(tables: Tables, request: Request) -> Figure:
    """Draw the ratio of seconds by group with its interval, a panel for each setting."""
    table = tables["measured_speed_up"]
    settings = list(table.groupby("setting", sort=False))
    heights = [_AROUND + _ROW * len(of) for _, of in settings]
    devices = ", ".join(shown(device, longest=60) for device in dict.fromkeys(table["device"]))
    drawn = new_figure(
        request, sum(heights), subtitle=f"measured on {devices}", notes=[_HOW], acceptance=table,
        names=list(table["device"]),
    )  # fmt: skip
    panels = drawn.subplots(len(settings), 1, squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axes, (name, of) in zip(panels, settings, strict=True):
        axes.set_title(shown(str(name)))
        _draw_setting(axes, of)
    ends = table[["measured_speed_up", "measured_speed_up_low", "measured_speed_up_high"]].to_numpy(
        np.float64
    )
    limits = np.append(ends.ravel(), 1.0)
    panels[0].set_xlim(padded(limits, least=0.2, within=(0.0, float(np.nanmax(limits)) + 1)))
    panels[-1].set_xlabel("seconds of the target alone / seconds of assisted generation")
    return drawn


def _draw_setting(axes: Axes, of: pd.DataFrame) -> None:
    is_overall = of["grouping"] == OVERALL
    groups = of[~is_overall].sort_values("measured_speed_up", kind="stable", na_position="first")
    rows = pd.concat([of[is_overall], groups]).reset_index(drop=True)
    axes.hlines(
        rows.index,
        rows["measured_speed_up_low"],
        rows["measured_speed_up_high"],
        color=COLOURS[0],
        linewidth=1.4,
    )
    axes.plot(rows["measured_speed_up"], rows.index, "o", color=COLOURS[0], markersize=4)
    axes.axvline(1, color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
    axes.axhline(is_overall.sum() - 0.5, color=MUTED, linewidth=0.6)
    axes.set_yticks(range(len(rows)), marked_names(rows))
    axes.set_ylim(-0.7, len(rows) - 0.3)
    if rows["measured_speed_up"].isna().all():
        nothing(axes, "no prompt timed both ways")
    write_beside(
        axes, len(rows) - 0.05, ("speed-up", "alone (s)", "assisted (s)", "prompts"), _COLUMNS, MUTED
    )
    for place, (_, row) in enumerate(rows.iterrows()):
        numbers = [row[name] for name in ("measured_speed_up", "plain_seconds", "assisted_seconds")]
        words = [f"{number:.3f}" if np.isfinite(number) else "–" for number in numbers]
        write_beside(axes, place, (*words, f"{row['n_prompts']:,.0f}"), _COLUMNS, INK)
