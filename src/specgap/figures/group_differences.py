"""All differences between groups at once, and which of them are more than chance."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from specgap.figures.beside import signed
from specgap.figures.frame import Floats, new_figure, nothing
from specgap.figures.groups import groups_of, marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import INK, MUTED
from specgap.figures.tested import p_text, the_test, why_not
from specgap.stats.claims import ALPHA

#: With more groups the numbers would not be readable; the colours and the table remain.
_MOST_WITH_NUMBERS = 16
_MISSING = "–: this difference cannot be estimated; the table says why."


@figure("group_differences")
def draw_group_differences(tables: Tables, request: Request) -> Figure:
    """Draw row minus column in points, lower triangle, groups in the order of the prompts."""
    acceptance, differences = tables["acceptance"], tables["group_differences"]
    groups = groups_of(acceptance)
    differences = differences.assign(different=(differences["claim"] == "different").astype(float))
    points, different = (
        _matrix(differences, groups, "contrast_pp", sign=True),
        _matrix(differences, groups, "different"),
    )
    is_empty = bool(np.isnan(points).all())
    height = 0.6 if is_empty else max(1.6, 0.9 + 0.235 * min(len(groups), 18))
    has_gaps = np.isnan(points[np.tri(len(groups), k=-1) > 0]).any()
    drawn = new_figure(
        request,
        height,
        subtitle=_claim(tables["gap_test"], numbers=len(groups) <= _MOST_WITH_NUMBERS),
        notes=[_MISSING] if has_gaps and not is_empty else [],
        acceptance=acceptance,
    )
    axes = drawn.subplots()
    if is_empty:
        axes.set_axis_off()
        nothing(axes, f"no difference can be estimated: {why_not(tables['gap_test'])}")
        return drawn
    image = _draw_cells(axes, points, different == 1)
    names = marked_names(acceptance)
    angle = 35 if len(groups) <= _MOST_WITH_NUMBERS else 60
    axes.set_yticks(range(1, len(groups)), names[1:])
    axes.set_xticks(range(len(groups) - 1), names[:-1], rotation=angle, ha="right", rotation_mode="anchor")
    axes.set(ylim=(len(groups) - 0.5, 0.5), xlim=(-0.5, len(groups) - 1.5))
    bar = drawn.colorbar(image, ax=axes, shrink=0.8, aspect=18)
    bar.set_label("acceptance rate, row − column (pp)")
    bar.outline.set_visible(False)
    return drawn


def _matrix(differences: pd.DataFrame, groups: list[str], column: str, *, sign: bool = False) -> Floats:
    """Return a column of pairs as a lower triangle, NaN elsewhere; `sign`: of the row minus the column."""
    place = {group: index for index, group in enumerate(groups)}
    values = np.full((len(groups), len(groups)), np.nan)
    for one, other, value in zip(
        differences["group_a"], differences["group_b"], differences[column], strict=True
    ):
        a, b = place[one], place[other]
        values[max(a, b), min(a, b)] = -value if sign and a < b else value
    return values


def _claim(gap_test: pd.DataFrame, *, numbers: bool) -> str:
    """Say what is marked, and what the test of all groups at once says."""
    row = the_test(gap_test)
    if row is None:
        return ""
    marked = "Bold, framed" if numbers else "Framed"
    return (
        f"{marked}: more than chance after adjusting for all {row['n_pairs']:.0f} pairs "
        f"(p < {ALPHA:g}, and the simultaneous interval leaves 0 out). "
        f"All groups at once: {p_text(row['p_omnibus'])}."
    )


def _draw_cells(axes: Axes, points: Floats, marked: NDArray[np.bool_]) -> AxesImage:
    largest = max(float(np.nanmax(np.abs(points))), 0.1)
    image = axes.imshow(
        points, cmap="RdBu", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest"
    )
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    numbers = len(points) <= _MOST_WITH_NUMBERS
    for row, column in np.argwhere(np.tri(len(points), k=-1)):
        value, is_marked = points[row, column], bool(marked[row, column])
        words = "–" if np.isnan(value) else signed(value) if numbers else ""
        if is_marked:
            corner = (column - 0.45, row - 0.42)
            frame = Rectangle(corner, 0.9, 0.84, fill=False, edgecolor=_on(image, value), linewidth=1)
            axes.add_patch(frame)
        axes.text(
            column, row, words, ha="center", va="center", fontsize=6, color=_on(image, value),
            fontweight="bold" if is_marked else "normal",
        )  # fmt: skip
    return image


def _on(image: AxesImage, value: float) -> str:
    """Return a colour that is read on the colour of a value."""
    if np.isnan(value):
        return MUTED
    red, green, blue, _ = image.to_rgba(np.array([value]))[0]
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45 else INK
