"""The largest gap beside the largest gaps of worlds without any difference."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.frame import Floats, new_figure, nothing
from specgap.figures.groups import names_by_group
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, INK
from specgap.figures.tested import p_text, percent, the_test, why_not

_BEYOND = COLOURS[1]
_SCALES = {"points": "largest gap of any two groups (pp)", "standard_errors": "the same, in standard errors"}


@figure("largest_gap")
def draw_largest_gap(tables: Tables, request: Request) -> Figure:
    """Draw the permuted maxima in points and in standard errors, with the observed one as a line."""
    null, acceptance = tables["gap_null"], tables["acceptance"]
    row = the_test(tables["gap_test"])
    if row is None or null.empty:
        drawn = new_figure(request, 0.6, acceptance=acceptance)
        axes = drawn.subplots()
        axes.set_axis_off()
        nothing(axes, f"no gap to test: {why_not(tables['gap_test'])}")
        return drawn
    names = names_by_group(acceptance, longest=25)
    drawn = new_figure(
        request,
        2.1,
        subtitle=_sentence(row, names),
        notes=[_worlds(row)],
        acceptance=acceptance,
        marks=any(names[group].endswith("*") for group in _named(row, null)),
    )
    panels = drawn.subplots(1, 2, sharey=True)
    said = (
        f"as large or larger in {percent(row['share_as_large'])}",
        f"as large or larger: {p_text(row['p_omnibus'])}",
    )
    for axes, (scale, label), words in zip(panels, _SCALES.items(), said, strict=True):
        _draw_null(axes, null[null["scale"] == scale], names, words)
        axes.set_xlabel(label)
    panels[0].set_ylabel("worlds without\nany difference")
    return drawn


def _sentence(row: pd.Series, names: Mapping[str, str]) -> str:
    """Say how rare the largest gap is, and which is more than chance where that is another."""
    largest = _pair(row["group_a"], row["group_b"], names)
    said = (
        f"{largest}: {row['gap_pp']:.1f} points; a largest gap as large or larger in "
        f"{percent(row['share_as_large'])} of worlds without any difference."
    )
    pair = (row["different_a"], row["different_b"])
    if pd.isna(row["different_pp"]) or pair == (row["group_a"], row["group_b"]):
        return said
    return (
        f"{said} {_pair(*pair, names)}, {row['different_pp']:.1f} points, is more than chance "
        f"(adjusted {p_text(row['different_p_adjusted'])})."
    )


def _named(row: pd.Series, null: pd.DataFrame) -> set[str]:
    """Return the groups that the figure names."""
    found = {*null["group_a"], *null["group_b"], row["group_a"], row["group_b"]}
    return found | ({row["different_a"], row["different_b"]} - {""})


def _pair(a: str, b: str, names: Mapping[str, str]) -> str:
    return f"{names[a]} − {names[b]}"


def _worlds(row: pd.Series) -> str:
    units = "identity terms" if row["unit"] == "term" else "prompts"
    return (
        f"A world without any difference: {units} dealt to the groups at random within each stratum, "
        f"{row['permutations']:,.0f} times. Their largest gap is {row['null_mean_pp']:.1f} points on average "
        f"and beyond {row['null_p95_pp']:.1f} in one of twenty. Groups of few {units} have large errors: a "
        "gap may be large in points and small in standard errors, which the test goes by."
    )


def _draw_null(axes: Axes, rows: pd.DataFrame, names: Mapping[str, str], words: str) -> None:
    if rows.empty:
        nothing(axes, "not estimable")
        return
    rows = rows.sort_values("low")
    edges = np.append(rows["low"], rows["high"].iloc[-1])
    observed = float(rows["observed"].iloc[0])
    pair = "\n− ".join(names[rows[f"group_{side}"].iloc[0]] for side in "ab")
    counts = rows["count"].to_numpy(dtype=np.float64)
    axes.stairs(counts, edges, fill=True, color=FAINT, zorder=2)
    _shade_from(axes, edges, counts, observed)
    high = max(float(edges[-1]), observed)
    low = min(float(edges[0]), observed)
    axes.set_xlim(low - 0.02 * (high - low), high + 0.04 * (high - low))
    axes.set_ylim(0, counts.max() * 1.75)
    axes.axvline(observed, color=_BEYOND, linewidth=1.5, zorder=4)
    is_right = observed > (low + high) / 2
    axes.annotate(
        f"observed {observed:.1f}\n{pair}\n{words}", (observed, 0.99), (-3 if is_right else 3, 0),
        xycoords=axes.get_xaxis_transform(), textcoords="offset points", va="top", fontsize=6.5, color=INK,
        ha="right" if is_right else "left", linespacing=1.3, zorder=5,
    )  # fmt: skip


def _shade_from(axes: Axes, edges: Floats, counts: Floats, observed: float) -> None:
    """Colour what lies at or beyond the observed value, a bin that it cuts in part."""
    last = np.searchsorted(edges, observed, side="right")
    if last > len(counts):
        return
    first = max(int(last) - 1, 0)
    cut = np.concatenate([[max(observed, float(edges[0]))], edges[first + 1 :]])
    axes.stairs(counts[first:], cut, fill=True, color=_BEYOND, alpha=0.45, linewidth=0, zorder=3)
