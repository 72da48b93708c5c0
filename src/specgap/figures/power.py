"""How large a gap must be to be found, by the number of terms in a group."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from specgap.figures.frame import legend, new_figure, nothing
from specgap.figures.groups import units_of
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.tested import the_test, why_not

_OBSERVED = COLOURS[1]
_SMALL = (0, (1, 1.5))
#: A grid wider than this is drawn on a logarithmic axis.
_WIDE_GRID = 12
_TICKS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10000)


@figure("power")
def draw_power(tables: Tables, request: Request) -> Figure:
    """Draw the smallest gap found with 80 % power against terms per group, with this study's place on it."""
    table = tables["power"].dropna(subset=["n_terms", "power_80_pp"]).sort_values("n_terms")
    row, acceptance = the_test(tables["gap_test"]), tables["acceptance"]
    units = units_of(acceptance)
    now = table[table["now"].astype(bool)]
    drawn = new_figure(
        request,
        0.6 if table.empty else 2.3,
        subtitle=_sentence(now, row, units),
        width=5.2,
        acceptance=acceptance,
        marks=False,
    )
    axes = drawn.subplots()
    if table.empty:
        axes.set_axis_off()
        nothing(axes, f"no power can be told: {why_not(tables['gap_test'])}")
        return drawn
    axes.plot(table["n_terms"], table["power_80_pp"], color=COLOURS[0], linewidth=1.6, zorder=3)
    axes.plot(now["n_terms"], now["power_80_pp"], "o", color=INK, markersize=5, zorder=4)
    axes.vlines(now["n_terms"], 0, now["power_80_pp"], color=INK, linewidth=0.8, zorder=2)
    levels = _draw_levels(axes, row)
    _set_axes(axes, table, max([*table["power_80_pp"], *levels]), units)
    _explain(axes, row, units)
    return drawn


def _sentence(now: pd.DataFrame, row: "pd.Series | None", units: str) -> str:
    if now.empty:
        return ""
    n, points = float(now["n_terms"].iloc[0]), float(now["power_80_pp"].iloc[0])
    size = f"{n:g} {units if n != 1 else units[:-1]}"
    said = f"Two groups of the median size, {size}: a gap of {points:.1f} points is found 4 times in 5."
    return said if row is None else f"{said} {_largest(row)}"


def _largest(row: "pd.Series") -> str:
    """Set the largest gap beside what could have been found between these two groups, which may be small."""
    said = f"The largest gap is {row['gap_pp']:.1f} points"
    if pd.isna(row["pair_detectable_pp"]):
        return f"{said}."
    return f"{said}; between these two groups {row['pair_detectable_pp']:.1f} would have been found."


def _draw_levels(axes: Axes, row: "pd.Series | None") -> list[float]:
    if row is None:
        return []
    axes.axhline(row["gap_pp"], color=_OBSERVED, linewidth=1.1, linestyle=(0, (4, 1.2)), zorder=2)
    axes.axhline(row["small_gap_pp"], color=MUTED, linewidth=1.1, linestyle=_SMALL, zorder=2)
    return [float(row["gap_pp"]), float(row["small_gap_pp"])]


def _set_axes(axes: Axes, table: pd.DataFrame, highest: float, units: str) -> None:
    first, last = float(table["n_terms"].min()), float(table["n_terms"].max())
    axes.set(xlabel=f"{units} per group", ylabel="smallest gap found with\n80 % power (pp)")
    axes.set_ylim(0, highest * 1.06)
    if last / first > _WIDE_GRID:
        axes.set_xscale("log")
        axes.set_xlim(first * 0.9, last * 1.1)
        axes.xaxis.set_major_locator(FixedLocator(_TICKS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(first - 0.5, last + 0.5)


def _explain(axes: Axes, row: "pd.Series | None", units: str) -> None:
    handles = [
        Line2D([], [], color=COLOURS[0], linewidth=1.6),
        Line2D([], [], color=INK, marker="o", linestyle="", markersize=5),
    ]
    labels = [f"two groups of so many {units}", "median group of this study"]
    if row is not None:
        handles += [
            Line2D([], [], color=_OBSERVED, linestyle=(0, (4, 1.2))),
            Line2D([], [], color=MUTED, linestyle=_SMALL),
        ]
        labels += [
            f"the largest gap, {row['gap_pp']:.1f} pp",
            f"a small gap (config), {row['small_gap_pp']:g} pp",
        ]
    legend(axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)
