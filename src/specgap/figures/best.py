"""Which γ serves which group best, and what each group loses at the one that is best for all."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from specgap.config import OVERALL
from specgap.figures.frame import legend, new_figure, nothing, padded, panels_in
from specgap.figures.groups import marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, INK, MUTED
from specgap.figures.text import shown
from specgap.figures.zones import Zones, compared, draw_rates, fitting, left_out
from specgap.tables import best as best_table

_PANELS = {"block_efficiency": "emitted per target call", "modelled_speed_up": "modelled speed-up"}
#: As `specgap.tables.best` names what the best is chosen among, with marker and colour.
_CONSTANT, _EVERY = "constant", "all settings"
_LOOKS = {_CONSTANT: ("o", COLOURS[0]), _EVERY: ("D", COLOURS[1])}
_HOW = (
    "Modelled speed-up: block efficiency / (γ c + 1) with γ the mean drafted per round. Bars at the left: "
    "γ within 1 % of the group's best; dotted: the best for all prompts. Losses: ± 1 standard error, prompts "
    "as clusters; as each best is chosen among several, no loss is negative, and small ones are chance."
)
_CARRIED = (
    "Settings that carry γ from prompt to prompt are left out below: what a group gets there depends on whom "
    "it follows."
)
#: Heights in inches: the curves, the names below an axis, a group's row.
_UPPER, _FEET, _ROW = 1.8, 0.4, 0.165
#: Where the columns of words stand, as a share of their room, and how they are set.
_WORDS = ((0.0, "left"), (0.47, "right"), (0.53, "left"), (1.0, "right"))
_LONGEST = 20
#: Width of the panel of the best γ in inches, and of a reason in it in characters.
_PANEL, _NARROW = 1.3, 25


@figure("best_schedule")
def draw_best_schedule(tables: Tables, request: Request) -> Figure:
    """Draw both rates of all settings; below, by group, the best γ and the loss at the common one."""
    settings, best = compared(tables["settings"]), tables["best_schedule"]
    rows = _sorted(best)
    notes = [_HOW, *([_CARRIED] if settings["carry_state"].any() else []), *left_out(tables["settings"])]
    notes += _unknown(best)
    heights = [_UPPER + _FEET, 0.5 + _ROW * len(rows) + _FEET]
    drawn = new_figure(request, sum(heights), subtitle=_common(best), notes=notes, acceptance=rows)
    grid = drawn.add_gridspec(2, 1, height_ratios=heights)
    _draw_curves(panels_in(grid[0], 1, 2), settings, best)
    left, middle, right = panels_in(grid[1], 1, 3, width_ratios=[1.1, 1.1, 1.75])
    _draw_best(left, rows, best)
    _draw_losses(middle, rows, best)
    _write_words(right, rows, best)
    for axes in (left, middle, right):
        axes.set_yticks(range(len(rows)), marked_names(rows) if axes is left else [""] * len(rows))
        axes.set_ylim(-0.7, len(rows) - 0.3)
    return drawn


def _unknown(best: pd.DataFrame) -> list[str]:
    """Return a note on settings that the best could not be chosen among."""
    said = list(filter(None, map(best_table.left_out, best["note"])))
    return [f"Best chosen without {said[0]}."] if said else []


def _common(best: pd.DataFrame) -> str:
    """Say what a draft call costs, and which settings are best for all prompts together."""
    everyone = best[(best["grouping"] == OVERALL) & best["best_speed_up"].notna()]
    said = [
        f"{shown(str(row['best_setting']))} ({row['best_speed_up']:.2f}×) among {_choice(row['among'])}"
        for _, row in everyone.iterrows()
    ]
    if not said:
        return ""
    cost = f"A draft call costs c = {everyone['cost_ratio'].iloc[0]:.3g} target calls."
    return f"{cost} Best for all prompts together: {', '.join(said)}."


def _choice(among: str) -> str:
    return f"{among} settings" if among == _CONSTANT else among


def _of(best: pd.DataFrame, among: str) -> pd.DataFrame:
    """Return the groups' rows of one choice, by group."""
    chosen = best[(best["among"] == among) & (best["grouping"] != OVERALL)]
    return chosen.set_index("group")


def _sorted(best: pd.DataFrame) -> pd.DataFrame:
    """Return a row per group, the greatest loss last: at the top."""
    constant = _of(best, _CONSTANT)
    losses = constant["loss_percent"].fillna(_of(best, _EVERY)["loss_percent"])
    order = losses[::-1].sort_values(kind="stable", na_position="first").index
    return constant.loc[order].reset_index()


def _draw_curves(panels: Sequence[Axes], settings: pd.DataFrame, best: pd.DataFrame) -> None:
    overall = settings[settings["grouping"] == OVERALL]
    zones = Zones.of(settings)
    draw_rates(panels, settings, zones, _PANELS, inches=2.8)
    for axes, column in zip(panels, _PANELS, strict=True):
        if overall[column].isna().all():
            nothing(axes, _why(best) if column == "modelled_speed_up" else "nothing judged")
            axes.set_yticks([])
    constant = _of(best, _CONSTANT).dropna(subset=["best_speed_up"])
    panels[1].plot(
        [zones.at(gamma) for gamma in constant["best_num_assistant_tokens"]], constant["best_speed_up"], "o",
        color=INK, markersize=3, markerfacecolor="white", zorder=5,
    )  # fmt: skip
    _explain(panels[0], zones, has_best=not constant.empty)


def _why(best: pd.DataFrame) -> str:
    """Return why there is no speed-up, which ends the notes of the table."""
    reasons = [str(note).rsplit("; ", 1)[-1] for note in best["note"][best["best_speed_up"].isna()]]
    return textwrap.fill(f"no modelled speed-up: {reasons[0]}" if reasons else "nothing judged", _NARROW)


def _explain(axes: Axes, zones: Zones, *, has_best: bool) -> None:
    handles, labels = zones.handles()
    handles.append(Line2D([], [], color=FAINT, linewidth=0.8))
    labels.append("groups, no threshold")
    if has_best:
        ring = Line2D([], [], marker="o", linestyle="", color=INK, markersize=3, markerfacecolor="white")
        handles.append(ring)
        labels.append("a group's best constant γ")
    made = legend(
        axes, handles, labels, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(handles),
        borderaxespad=0.1, columnspacing=1.2,
    )  # fmt: skip
    made.set_in_layout(False)


# Group by group --------------------------------------------------------------------------------------


def _draw_best(axes: Axes, rows: pd.DataFrame, best: pd.DataFrame) -> None:
    """Draw each group's best γ among constant settings, and the γ that are as good."""
    marker, colour = _LOOKS[_CONSTANT]
    known = rows.dropna(subset=["best_num_assistant_tokens", "near_best_low"])
    axes.hlines(known.index, known["near_best_low"], known["near_best_high"], color=COLOURS[4], linewidth=3)
    axes.plot(known["best_num_assistant_tokens"], known.index, marker, color=colour, markersize=4)
    axes.set_xlabel("best γ of\nconstant settings")
    if known.empty:
        axes.set_xticks([])
        nothing(axes, _why(best))
        return
    axes.axvline(
        known["average_num_assistant_tokens"].iloc[0], color=INK, linestyle=(0, (1, 1.5)), linewidth=1
    )
    seen = known[["near_best_low", "near_best_high", "average_num_assistant_tokens"]].to_numpy().ravel()
    ticks = sorted({int(value) for value in (*seen, *known["best_num_assistant_tokens"])})
    low, high = np.log(ticks[0]), np.log(ticks[-1])
    air = max(0.08 * (high - low), 0.15)
    axes.set_xlim(float(np.exp(low - air)), float(np.exp(high + air)))
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    per_inch = _PANEL / (high - low + 2 * air)
    axes.set_xticks(ticks, fitting([(float(np.log(tick)), str(tick)) for tick in ticks], per_inch))


def _draw_losses(axes: Axes, rows: pd.DataFrame, best: pd.DataFrame) -> None:
    """Draw what each group loses at the setting that is best for all, of constant and of all settings."""
    values = [0.0]
    for among, aside in ((_CONSTANT, 0.16), (_EVERY, -0.16)):
        marker, colour = _LOOKS[among]
        of = _of(best, among).loc[rows["group"]].reset_index()
        known = of.dropna(subset=["loss_percent"])
        se = known["loss_percent_se"].fillna(0.0)
        ends = (known["loss_percent"] - se, known["loss_percent"] + se)
        axes.hlines(known.index + aside, *ends, color=colour, linewidth=0.9)
        axes.plot(known["loss_percent"], known.index + aside, marker, color=colour, markersize=3.2)
        values += [*ends[0], *ends[1]]
    axes.set_xlim(padded(np.array(values), least=1.0, within=(-100.0, 100.0)))
    if best["loss_percent"].isna().all():
        axes.set_xticks([])
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
    axes.set_xlabel("speed-up lost at the setting\nbest for all prompts (%)")
    handles = [Line2D([], [], marker=m, color=c, linestyle="", markersize=3.2) for m, c in _LOOKS.values()]
    made = legend(
        axes, handles, ["constant", "all settings"], loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncols=2,
        borderaxespad=0.1, columnspacing=0.8, handletextpad=0.2,
    )  # fmt: skip
    made.set_in_layout(False)


def _write_words(axes: Axes, rows: pd.DataFrame, best: pd.DataFrame) -> None:
    """Write each group's best setting with its speed-up, among constant and among all settings."""
    axes.set_axis_off()
    every = _of(best, _EVERY).loc[rows["group"]].reset_index()
    _write_row(axes, len(rows) - 0.15, ["best constant", "", "best of all", ""], MUTED)
    for place in range(len(rows)):
        words = [word for table in (rows, every) for word in _best_in_words(table.iloc[place])]
        _write_row(axes, place, words, INK)


def _best_in_words(row: pd.Series) -> list[str]:
    if not np.isfinite(row["best_speed_up"]):
        return ["–", ""]
    return [shown(str(row["best_setting"]), longest=_LONGEST), f"{row['best_speed_up']:.2f}×"]


def _write_row(axes: Axes, place: float, words: Sequence[str], colour: str) -> None:
    for (x, side), word in zip(_WORDS, words, strict=True):
        axes.text(
            x,
            place,
            word,
            transform=axes.get_yaxis_transform(),
            ha=side,
            va="center",
            fontsize=6,
            color=colour,
        )
