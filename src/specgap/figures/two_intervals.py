"""A rate with its two intervals as figures draw them: thick for these terms, thin for terms like these.

Both hold 95 %; they differ in what they speak of, not in how sure they are.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from specgap.figures.style import INK
from specgap.stats.clusters import OWN_SPREAD

_BORROWED = (0, (2.2, 1.4))
_BORROWED_NOTE = (
    "Dashed: fewer than three {units} have no spread to speak of; the interval rests on that of the other "
    "groups."
)
_NO_OUTER = "A group without a thin line has too few {units} for one."
_NO_SPREAD = "A group of {units} that are all alike has no thin line."
_GREEDY = "Greedy decoding: nothing is random, so an interval means other {others}."
_ENDS = ("these_low", "these_high", "like_low", "like_high")


def interval_rows(
    acceptance: pd.DataFrame, intervals: pd.DataFrame, quantity: str, *, weight: str = "pooled"
) -> pd.DataFrame:
    """Return a row for each group of `acceptance`, in its order: `n_terms` and the columns of `intervals`."""
    keep = (intervals["quantity"] == quantity) & (intervals["weight"] == weight)
    return acceptance[["group", "n_terms"]].merge(intervals[keep], how="left", on="group")


def draw_intervals(
    axes: Axes,
    rows: pd.DataFrame,
    colour: str,
    *,
    places: Sequence[float] | None = None,
    marker: str = "o",
    thick: float = 3.4,
    cap: float = 6.4,
) -> None:
    """Draw values and both intervals level with `places`, else 0, 1, …; one-term groups are hollow."""
    for place, (_, row) in zip(places or range(len(rows)), rows.iterrows(), strict=True):
        dash = _BORROWED if row["n_units"] < OWN_SPREAD else "-"
        axes.hlines(
            place, row["like_low"], row["like_high"], color=colour, linewidth=0.9, linestyle=dash, zorder=2
        )
        axes.hlines(place, row["these_low"], row["these_high"], color=colour, linewidth=thick, zorder=3)
        # Ends that stand out of the thick line: of few terms the thin one may be the shorter.
        axes.plot(
            [row["like_low"], row["like_high"]], [place, place], "|", color=colour, zorder=2,
            markersize=cap, markeredgewidth=0.9,
        )  # fmt: skip
        axes.plot(
            row["value"], place, marker, color=INK, markersize=3.6, zorder=4, markeredgewidth=0.8,
            markerfacecolor="white" if row["n_terms"] == 1 else INK,
        )  # fmt: skip


def ends_of(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return all that an axis must hold: values and ends of intervals."""
    return rows[["value", *_ENDS]].to_numpy(dtype=np.float64).ravel()


def interval_legend(colour: str, units: str) -> tuple[list[Line2D], list[str]]:
    """Return handles and labels of both intervals."""
    handles = [
        Line2D([], [], color=colour, linewidth=3.4),
        Line2D([], [], color=colour, linewidth=0.9),
    ]
    return handles, [f"95 %, these {units}", f"95 %, {units} like these"]


def interval_notes(rows: pd.DataFrame, *, units: str, mode: str) -> list[str]:
    """Return what must be said below a figure about its intervals."""
    has_outer = rows["like_low"].notna()
    borrowed = has_outer & (rows["n_units"] < OWN_SPREAD)
    notes = [_GREEDY] if mode == "greedy" else []
    notes += [_BORROWED_NOTE] if borrowed.any() else []
    without = rows[rows["value"].notna() & ~has_outer]
    alike = without["n_units"] >= OWN_SPREAD
    notes += [_NO_OUTER] if (~alike).any() else []
    notes += [_NO_SPREAD] if alike.any() else []
    others = units if units == "prompts" else f"prompts and {units}"
    return [note.format(units=units, others=others) for note in notes]


def range_text(low: float, high: float, *, decimals: int = 3) -> str:
    """Write an interval, or a dash where there is none.

    >>> range_text(0.51234, 0.6), range_text(float("nan"), float("nan"))
    ('0.512–0.600', '–')
    """
    return "–" if np.isnan(low) or np.isnan(high) else f"{low:.{decimals}f}–{high:.{decimals}f}"
