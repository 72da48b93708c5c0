"""What every figure has: a size, a title with the facts below it, axes that read well, tables made wide."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from specgap.errors import TableError
from specgap.figures.facts import facts_lines, fill
from specgap.figures.groups import footnotes, marked_names
from specgap.figures.registry import Request
from specgap.figures.style import INK, MUTED, WIDE, Look
from specgap.figures.text import shown, written_out

Floats = NDArray[np.float64]

_TITLE, _SMALL = 9.0, 6.2
#: Mean width of a character in em, with some room.
_EM = 0.58


def new_figure(
    request: Request,
    height: float,
    *,
    width: float = WIDE,
    subtitle: str = "",
    notes: Sequence[str] = (),
    acceptance: pd.DataFrame | None = None,
    names: Sequence[str] = (),
    marks: bool = True,
) -> Figure:
    """Return an empty figure, `height` inches for its panels: title and facts above, notes below.

    `acceptance` has the groups (`group`, `n_terms`) that the figure shows, the one group alone where it is
    the figure of one; `names` hold whatever else of the user's it shows. Both may need a footnote. `marks` is
    False where no group is named, so that none bears a mark.
    """
    phrases = facts_lines(request.facts)
    title = fill(request.spec.title, request.facts, _group_name(request, acceptance))
    title += " (pilot)" if request.facts.pilot is not None else ""
    title += " (partial)" if request.facts.partial else ""
    lines = _wrapped(title, _TITLE, width)
    above = _joined([shown(phrase, longest=150) for phrase in phrases], width)
    above += _wrapped(subtitle, _SMALL, width) if subtitle else []
    notes = [*notes, *footnotes(acceptance, [*names, request.group or "", *phrases], marks=marks)]
    below = [line for note in notes if note for line in _wrapped(note, _SMALL, width)]
    head = (len(lines) * _TITLE * 1.3 + len(above) * _SMALL * 1.35 + 7) / 72
    foot = (len(below) * _SMALL * 1.35 + (4 if below else 0)) / 72
    whole = head + height + foot
    figure = Figure(figsize=(width, whole))
    figure.set_layout_engine("constrained", rect=(0, foot / whole, 1, height / whole))
    left = 0.05 / width
    top = 1 - 0.04 / whole
    figure.text(left, top, "\n".join(lines), size=_TITLE, va="top", color=INK, linespacing=1.2)
    top -= len(lines) * _TITLE * 1.3 / 72 / whole
    figure.text(left, top, "\n".join(above), size=_SMALL, va="top", color=MUTED, linespacing=1.3)
    figure.text(left, 0.04 / whole, "\n".join(below), size=_SMALL, va="bottom", color=MUTED, linespacing=1.3)
    return figure


def _group_name(request: Request, acceptance: pd.DataFrame | None) -> str:
    if request.group is None or acceptance is None:
        return shown(request.group or "")
    return marked_names(acceptance)[0]


def _wrapped(text: str, size: float, width: float) -> list[str]:
    return textwrap.wrap(text, int((width - 0.1) * 72 / (size * _EM)))


def _joined(phrases: Sequence[str], width: float) -> list[str]:
    """Set phrases in as few lines as hold them, breaking between phrases where one fits."""
    room = int((width - 0.1) * 72 / (_SMALL * _EM))
    lines: list[str] = []
    for phrase in phrases:
        if lines and len(lines[-1]) + 3 + len(phrase) <= room:
            lines[-1] += f" · {phrase}"
        else:
            lines += textwrap.wrap(phrase, room)
    return lines


def histogram(
    table: pd.DataFrame, quantity: str, verdicts: Sequence[str], *, values: str = "count", **where: str
) -> tuple[Floats, Floats]:
    """Return (edges, `values` summed over `verdicts`) of one quantity in the rows that `where` picks."""
    of_quantity = table[table["quantity"] == quantity]
    grid = of_quantity[["low", "high"]].drop_duplicates().sort_values("low")
    lows, highs = grid["low"].to_numpy(), grid["high"].to_numpy()
    if not len(lows) or (lows[1:] != highs[:-1]).any():
        raise TableError(f"histogram of {quantity!r} has bins that do not join; wanted one grid without gaps")
    rows = of_quantity[of_quantity["verdict"].isin(verdicts)]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    counts = rows.groupby("low")[values].sum().reindex(lows, fill_value=0)
    return np.append(lows, highs[-1]), counts.to_numpy(dtype=np.float64)


def shares(counts: Floats, whole: float) -> Floats:
    """Return counts as shares of `whole`, all zero where it is zero."""
    return counts / whole if whole else np.zeros_like(counts)


def steps(axes: Axes, edges: Floats, values: Floats, look: Look, *, width: float = 1.0) -> None:
    """Draw a step outline without a baseline."""
    axes.stairs(values, edges, baseline=None, color=look.color, linestyle=look.linestyle, linewidth=width)


def side_legend(
    axes: Axes,
    looks: Sequence[Look],
    labels: Sequence[str],
    *,
    title: str = "",
    anchor: tuple[float, float] = (1.02, 1.0),
) -> Legend:
    """Put a legend right of an axes."""
    return legend(
        axes, lines_of(looks), labels, title=title, loc="upper left", bbox_to_anchor=anchor, borderaxespad=0
    )


def label_all_y(figure: Figure, label: str) -> None:
    """Label the y axis that all panels share, level with the middle of the panels."""
    engine = figure.get_layout_engine()
    assert engine is not None
    _, foot, _, height = engine.get()["rect"]
    figure.supylabel(label, y=foot + height / 2, fontsize=7)


def lines_of(looks: Sequence[Look]) -> list[Line2D]:
    """Return a legend's line of each look."""
    return [Line2D([], [], color=one.color, linestyle=one.linestyle, linewidth=1.4) for one in looks]


def panels_in(place: SubplotSpec, rows: int, columns: int, **how: Any) -> list[Axes]:
    """Return panels that share a part of a figure, row by row."""
    made = place.subgridspec(rows, columns, **how).subplots(squeeze=False)
    return [axes for row in made for axes in row]


def legend(place: Axes | Figure, handles: Sequence[Artist], labels: Sequence[str], **how: Any) -> Legend:
    """Make a legend whose labels may be any text (matplotlib drops labels that begin with `_`)."""
    made = place.legend(list(handles), [str(number) for number in range(len(labels))], **how)
    for text, label in zip(made.get_texts(), labels, strict=True):
        text.set_text(label)
    made.get_title().set(size=6.5, color=MUTED)
    made.set_alignment("left")
    return made


def log_axis(axes: Axes, low: float, high: float, *, which: str = "y", step: int = 1) -> None:
    """Make an axis logarithmic from `low` to `high` (both > 0), with a tick at each `step`th power of ten."""
    high = max(high, low * 10)
    axis = axes.yaxis if which == "y" else axes.xaxis
    if which == "y":
        axes.set_ylim(low, high)
        axes.set_yscale("log", nonpositive="clip")
    else:
        axes.set_xlim(low, high)
        axes.set_xscale("log", nonpositive="clip")
    exponents = range(int(np.ceil(np.log10(low))), int(np.floor(np.log10(high))) + 1, step)
    axis.set_major_locator(FixedLocator([10.0**exponent for exponent in exponents]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: written_out(round(float(np.log10(value))))))
    axis.set_minor_locator(NullLocator())


def finish_panels(panels: NDArray[Any], n: int, columns: int, label: str) -> None:
    """Hide what is left of a grid of `columns` behind its n panels, and label the lowest of each column.

    A label of the whole figure would stand on the notes below it.
    """
    for axes in panels[n:]:
        axes.set_visible(False)
    for column in range(columns):
        lowest = panels[max(place for place in range(n) if place % columns == column)]
        lowest.tick_params(labelbottom=True)
        lowest.set_xlabel(label)


def nothing(axes: Axes, text: str, *, height: float = 0.5) -> None:
    """Say in an empty panel why it is empty, at a share of its height."""
    axes.text(0.5, height, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)


def unit_ticks(axes: Axes) -> None:
    """Put an x axis on [0, 1] with ticks that fit a small panel."""
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])


def padded(
    values: Floats, *, least: float = 0.05, within: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """Return limits that hold all finite values with some air, at least `least` apart."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return within
    low, high = float(finite.min()), float(finite.max())
    air = max(0.08 * (high - low), (least - (high - low)) / 2, 0.004)
    return max(low - air, within[0] - 0.02), min(high + air, within[1] + 0.02)
