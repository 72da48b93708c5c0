"""All differences between groups at once."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from specgap.figures.beside import signed
from specgap.figures.frame import Floats, new_figure, nothing
from specgap.figures.groups import groups_of, marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import INK

#: With more groups the numbers would not be readable; the colours and the table remain.
_MOST_WITH_NUMBERS = 16
_DESCRIPTIVE = "Descriptive: no difference here is a claim of significance."


@figure("difference_matrix")
def draw_difference_matrix(tables: Tables, request: Request) -> Figure:
    """Draw row minus column in percentage points, lower triangle, groups in the order of the prompts."""
    acceptance = tables["acceptance"]
    groups = groups_of(acceptance)
    values = np.full((len(groups), len(groups)), np.nan)
    place = {group: index for index, group in enumerate(groups)}
    for row in tables["group_differences"].to_dict("records"):
        a, b = place[row["group_a"]], place[row["group_b"]]
        values[max(a, b), min(a, b)] = row["difference_pp"] * (1 if a > b else -1)
    height = max(1.6, 0.9 + 0.235 * min(len(groups), 18))
    drawn = new_figure(request, height, notes=[_DESCRIPTIVE], acceptance=acceptance)
    axes = drawn.subplots()
    if np.isnan(values).all():
        axes.set_axis_off()
        nothing(axes, "fewer than two groups with judged tokens: nothing to compare")
        return drawn
    image = _draw_cells(axes, values)
    names = marked_names(acceptance)
    angle = 35 if len(groups) <= _MOST_WITH_NUMBERS else 60
    axes.set_yticks(range(1, len(groups)), names[1:])
    axes.set_xticks(range(len(groups) - 1), names[:-1], rotation=angle, ha="right", rotation_mode="anchor")
    axes.set(ylim=(len(groups) - 0.5, 0.5), xlim=(-0.5, len(groups) - 1.5))
    bar = drawn.colorbar(image, ax=axes, shrink=0.8, aspect=18)
    bar.set_label("acceptance rate, row − column (pp)")
    bar.outline.set_visible(False)
    return drawn


def _draw_cells(axes: Axes, values: Floats) -> AxesImage:
    largest = max(float(np.nanmax(np.abs(values))), 0.1)
    image = axes.imshow(
        values, cmap="RdBu", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest"
    )
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    if len(values) <= _MOST_WITH_NUMBERS:
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45
            axes.text(
                column,
                row,
                signed(value),
                ha="center",
                va="center",
                fontsize=6,
                color="white" if dark else INK,
            )
    return image
