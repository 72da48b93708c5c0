"""Every term's rate by group: why the term, not the token, is the unit of a claim about a group."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from specgap.figures.beside import write_beside
from specgap.figures.frame import legend, new_figure, nothing, padded
from specgap.figures.groups import names_by_group, units_of
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.text import shown

_MARKERS = ("o", "^", "s", "D", "v", "P")
_DOTTED = (0, (1, 1.5))
_ROW, _SPREAD = 0.235, 0.62
#: Areas of dots, in square points: of the least and of the greatest number of judged tokens.
_AREAS = (5.0, 38.0)
#: Where the columns of words end, in points right of the panel.
_COLUMNS = (28, 62, 126)


@figure("term_dots")
def draw_term_dots(tables: Tables, request: Request) -> Figure:
    """Draw a dot for every unit's rate, its area the judged tokens, and the pooled rate of each group."""
    terms = tables["terms"]
    acceptance = tables["acceptance"].sort_values("acceptance_rate", kind="stable", na_position="first")
    units = units_of(acceptance)
    strata = list(dict.fromkeys(terms["stratum"]))
    most = float(max([*terms["n_judged"], 1]))
    notes = [
        f"Area: judged tokens of the {units[:-1]}, {most:,.0f} in the largest. "
        "Height within a row means nothing."
    ]
    drawn = new_figure(
        request, 0.95 + _ROW * len(acceptance), notes=notes, acceptance=acceptance, names=strata
    )
    axes = drawn.subplots()
    for place, (_, row) in enumerate(acceptance.iterrows()):
        of_group = terms[(terms["group"] == row["group"]) & terms["acceptance_rate"].notna()]
        _draw_terms(axes, place, of_group, strata, most)
        axes.plot(
            [row["acceptance_rate"]] * 2, [place - 0.4, place + 0.4], color=INK, linewidth=1.6, zorder=4
        )
        _write(axes, place, row, of_group)
    if request.facts.acceptance_rate is not None:
        axes.axvline(request.facts.acceptance_rate, color=INK, linestyle=_DOTTED, linewidth=1, zorder=1)
    rates = np.concatenate([terms["acceptance_rate"], acceptance["acceptance_rate"]]).astype(np.float64)
    names = names_by_group(acceptance)
    axes.set(xlabel="acceptance rate", xlim=padded(rates), ylim=(-0.7, len(acceptance) - 0.3))
    axes.set_yticks(range(len(acceptance)), [names[group] for group in acceptance["group"]])
    write_beside(axes, len(acceptance) - 0.05, ("rate", units, "lowest, highest"), _COLUMNS, MUTED)
    if not np.isfinite(rates).any():
        nothing(axes, "nothing judged")
    _explain(axes, strata, units)
    return drawn


def _draw_terms(axes: Axes, place: int, rows: pd.DataFrame, strata: list[str], most: float) -> None:
    for number, stratum in enumerate(strata):
        of = rows[rows["stratum"] == stratum]
        areas = _AREAS[0] + (_AREAS[1] - _AREAS[0]) * of["n_judged"].to_numpy(dtype=np.float64) / most
        axes.scatter(
            of["acceptance_rate"], place + _aside(len(of), number), areas, **_look(number), alpha=0.6,
            linewidths=0, zorder=3,
        )  # fmt: skip


def _look(number: int) -> dict[str, Any]:
    """Return marker and colour of a stratum."""
    return {"marker": _MARKERS[number % len(_MARKERS)], "color": COLOURS[number % len(COLOURS)]}


def _aside(n: int, start: int) -> NDArray[np.float64]:
    """Return heights within a row that keep equal dots apart: steps of the golden ratio show no pattern."""
    steps = np.arange(n, dtype=np.float64) * 0.618034 + 0.5 + 0.25 * start
    return _SPREAD * (np.mod(steps, 1.0).astype(np.float64) - 0.5)


def _write(axes: Axes, place: int, row: pd.Series, terms: pd.DataFrame) -> None:
    rates = terms["acceptance_rate"]
    words = (
        "–" if np.isnan(row["acceptance_rate"]) else f"{row['acceptance_rate']:.3f}",
        f"{terms['term'].nunique():,}",
        f"{rates.min():.3f}, {rates.max():.3f}" if len(rates) else "–",
    )
    write_beside(axes, place, words, _COLUMNS, INK)


def _explain(axes: Axes, strata: list[str], units: str) -> None:
    several = len(strata) > 1
    handles = [
        Line2D([], [], linestyle="", **_look(number), alpha=0.6, markeredgewidth=0, markersize=4.5)
        for number in range(min(len(strata), len(_MARKERS)))
    ]
    labels = [
        f"a {units[:-1]}, {shown(stratum, longest=16)}" if several else f"a {units[:-1]}"
        for stratum in strata[: len(_MARKERS)]
    ]
    handles += [Line2D([], [], color=INK, linewidth=1.6), Line2D([], [], color=INK, linestyle=_DOTTED)]
    labels += ["the group, over judged tokens", "all prompts"]
    legend(axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)
