"""Every setting of a decoding: three rates of all prompts, and block efficiency by group with theory."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.config import OVERALL
from specgap.figures.frame import Floats, legend, new_figure, nothing, padded, panels_in
from specgap.figures.groups import marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import FAINT, INK, MUTED
from specgap.figures.zones import Zones, compared, draw_faint, draw_rates, draw_settings, left_out

_PANELS = {
    "block_efficiency": "emitted per target call",
    "acceptance_rate_prompt_mean": "acceptance rate,\nmean over prompts",
    "draft_acceptance_rate": "accepted / drafted",
}
_DASHED = (0, (3, 1.5))
_THEORY = (
    "Dashed: (1 − α^(γ+1)) / (1 − α), what constant settings would emit if every draft position were "
    "accepted like the first, with α the acceptance rate at constant-1 (Leviathan et al. 2023, equation 1)."
)
_NO_THEORY = "No theory curve: it needs α, the acceptance rate at constant-1, which is no setting here."
#: Panels of groups side by side; more of them where there are many groups.
_COLUMNS, _MANY, _MOST_COLUMNS = 4, 12, 5
#: Heights in inches: the panels of all prompts, a row of groups, the names below an axis.
_UPPER, _ROW, _FEET = 1.75, 1.0, 0.3
#: Longest name above a panel of a group, in characters, by the number of columns.
_LONGEST = {_COLUMNS: 27, _MOST_COLUMNS: 20}


@figure("schedule_sweep")
def draw_schedule_sweep(tables: Tables, request: Request) -> Figure:
    """Draw three rates of all prompts with the groups faint, and below each group's block efficiency."""
    table = compared(tables["settings"])
    is_overall = table["grouping"] == OVERALL
    groups, overall = table[~is_overall], table[is_overall]
    zones = Zones.of(table)
    names = groups.drop_duplicates("group")
    columns = _columns(len(names))
    rows = -(-len(names) // columns)
    notes = [_about_theory(overall), *left_out(tables["settings"])]
    heights = [_UPPER + _FEET, _ROW * rows + _FEET]
    drawn = new_figure(request, sum(heights), notes=notes, acceptance=names)
    grid = drawn.add_gridspec(2, 1, height_ratios=heights)
    upper = panels_in(grid[0], 1, len(_PANELS))
    draw_rates(upper, table, zones, _PANELS, inches=1.75)
    _say_missing(upper, overall)
    _draw_theory(upper[0], overall, zones)
    _explain(upper[0], overall, zones, has_groups=len(groups) > 0)
    panels = panels_in(grid[1], rows, columns)
    _draw_groups(panels[: len(names)], names, groups, overall, zones)
    for spare in panels[len(names) :]:
        spare.set_visible(False)
    _label_rows(panels, len(names), columns, zones)
    return drawn


def _columns(n_groups: int) -> int:
    return _COLUMNS if n_groups <= _MANY else _MOST_COLUMNS


def _about_theory(overall: pd.DataFrame) -> str:
    if _has_theory(overall):
        return _THEORY
    return _NO_THEORY if overall["acceptance_rate"].notna().any() else ""


def _has_theory(rows: pd.DataFrame) -> bool:
    return bool(rows["block_efficiency_independent"].notna().any())


def _say_missing(panels: Sequence[Axes], overall: pd.DataFrame) -> None:
    for axes, column in zip(panels, _PANELS, strict=True):
        if overall[column].isna().all():
            judged = overall["acceptance_rate"].notna().any()
            nothing(axes, "discarded tokens\nnot collected" if judged else "nothing judged")
            axes.set_yticks([])


def _draw_theory(axes: Axes, rows: pd.DataFrame, zones: Zones) -> None:
    constant = zones.constant(rows, 0.0)
    axes.plot(
        constant["x"], constant["block_efficiency_independent"], color=INK, linewidth=0.9, linestyle=_DASHED,
        zorder=3,
    )  # fmt: skip


def _draw_groups(
    panels: Sequence[Axes], names: pd.DataFrame, groups: pd.DataFrame, overall: pd.DataFrame, zones: Zones
) -> None:
    shown = marked_names(names, longest=_LONGEST[_columns(len(names))])
    values = [
        *groups["block_efficiency"],
        *groups["block_efficiency_independent"],
        *overall["block_efficiency"],
    ]
    limits = _limits(np.array(values, dtype=np.float64))
    for axes, name, group in zip(panels, shown, names["group"], strict=True):
        of = groups[groups["group"] == group]
        draw_faint(axes, overall, zones, "block_efficiency")
        draw_settings(axes, of, zones, "block_efficiency", width=0.8, size=2.6)
        _draw_theory(axes, of, zones)
        axes.set_title(name, fontsize=6.2, pad=2)
        axes.set_ylim(limits)
        _name_alpha(axes, zones.constant(of, 0.0))
        if of["acceptance_rate"].isna().all():
            # Each round emits one token there, drawn in the middle.
            nothing(axes, "nothing judged", height=0.85)


def _name_alpha(axes: Axes, constant: pd.DataFrame) -> None:
    first = constant[constant["num_assistant_tokens"] == 1]
    if len(first) and _has_theory(first):
        alpha = f"α {first['acceptance_rate'].iloc[0]:.3f}"
        axes.text(0.03, 0.97, alpha, transform=axes.transAxes, va="top", fontsize=6, color=MUTED)


def _limits(values: Floats) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return padded(values, least=0.2, within=(0.0, 1.2 * float(finite.max())) if len(finite) else (0.0, 2.0))


def _label_rows(panels: Sequence[Axes], n: int, columns: int, zones: Zones) -> None:
    """Name the x axis below the last panel of each column and the y axis at the left."""
    for place, axes in enumerate(panels[:n]):
        is_last = place + columns >= n
        zones.set_axis(axes, labels=is_last, names=False, inches=1.35 if columns == _COLUMNS else 1.0)
        if place % columns:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("emitted per\ntarget call", fontsize=6.2)


def _explain(axes: Axes, overall: pd.DataFrame, zones: Zones, *, has_groups: bool) -> None:
    handles, labels = zones.handles()
    if _has_theory(overall):
        handles.append(Line2D([], [], color=INK, linestyle=_DASHED, linewidth=0.9))
        labels.append("theory")
    if has_groups:
        handles.append(Line2D([], [], color=FAINT, linewidth=0.8))
        labels.append("grey: groups above, all prompts below (no threshold)")
    if handles:
        made = legend(
            axes, handles, labels, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(handles),
            borderaxespad=0.1, columnspacing=1.2,
        )  # fmt: skip
        made.set_in_layout(False)
