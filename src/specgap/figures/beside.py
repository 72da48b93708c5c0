"""Words right of a panel, level with its rows: numbers a reader would otherwise have to measure."""

from collections.abc import Sequence

from matplotlib.axes import Axes


def write_beside(
    axes: Axes, place: float, cells: Sequence[str], points: Sequence[float], colour: str
) -> None:
    """Write cells that end so many points right of the panel, level with `place` on its y axis."""
    for x, cell in zip(points, cells, strict=True):
        axes.annotate(
            cell, (1, place), (x, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            ha="right", va="center", fontsize=6.2, color=colour, annotation_clip=False,
        )  # fmt: skip


def signed(value: float, *, decimals: int = 1) -> str:
    """Write a number with its sign, zero without one.

    >>> signed(-1.25), signed(0.04)
    ('−1.2', '0.0')
    """
    text = f"{value:+.{decimals}f}".replace("-", "−")
    return text[1:] if not float(text[1:]) else text
