"""`known_truth`: three simulated studies beside what is true of them, and what is said of each."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.demonstration import Study
from specgap.figures.save import save
from specgap.figures.style import COLOURS, FAINT, INK, MUTED, WIDE, paper_style
from specgap.figures.text import shown

TITLE = "What is said of three studies whose truth is known"
ALT = (
    "Three rows, one per simulated study. Left: each group's acceptance rate with its two intervals and the "
    "true rate. Right: the largest gap of studies without any difference, with the observed one as a line. "
    "Below each: what the greatest of 45 differences, a token test and specgap's own test say."
)
_ROW = 2.75
#: In a line of what is said.
_CHARACTERS = 118
_TRUE, _OBSERVED = COLOURS[2], COLOURS[1]


def draw_known_truth(studies: Sequence[Study], png: Path, pdf: Path) -> None:
    """Draw and save the figure; every number in it is a column of the studies' tables, or the truth."""
    with paper_style():
        figure = Figure(figsize=(WIDE, _ROW * len(studies) + 0.3))
        figure.set_layout_engine("constrained")
        limits = _limits(studies)
        parts = figure.subfigures(len(studies), 1, squeeze=False)
        for part, study in zip(parts.ravel(), studies, strict=True):
            rows = part.subplots(2, 2, width_ratios=[1.35, 1], height_ratios=[1, 0.5])
            part.suptitle(f"True: {study.title.lower()}", x=0.01, ha="left", fontsize=8.5, color=INK)
            _draw_rates(rows[0, 0], study, limits)
            _draw_null(rows[0, 1], study)
            for axes in rows[1]:
                axes.set_axis_off()
            _write(rows[1, 0], study)
        _explain(figure)
    save(figure, png, pdf, title=TITLE, alt=ALT)


def _rates(study: Study) -> pd.DataFrame:
    rows = study.intervals
    return rows[(rows["quantity"] == "acceptance_rate") & (rows["weight"] == "pooled")]


def _limits(studies: Sequence[Study]) -> tuple[float, float]:
    """Return twentieths of the rate that hold every interval of every study."""
    ends = pd.concat(
        [_rates(study)[["these_low", "these_high", "like_low", "like_high"]] for study in studies]
    )
    values = ends.to_numpy(dtype=np.float64)
    return float(np.floor(20 * np.nanmin(values)) / 20), float(np.ceil(20 * np.nanmax(values)) / 20)


def _draw_rates(axes: Axes, study: Study, limits: tuple[float, float]) -> None:
    rows = _rates(study)
    for place, row in enumerate(rows.to_dict("records")[::-1]):
        axes.hlines(place, row["like_low"], row["like_high"], color=COLOURS[0], linewidth=0.9)
        axes.hlines(place, row["these_low"], row["these_high"], color=COLOURS[0], linewidth=3)
        axes.plot(row["value"], place, "o", color=INK, markersize=3)
        axes.plot(study.true_rates[row["group"]], place, "|", color=_TRUE, markersize=8, markeredgewidth=1.8)
    axes.set_yticks(range(len(rows)), [shown(f"{g}") for g in rows["group"][::-1]], fontsize=6)
    axes.set(xlabel="acceptance rate", xlim=limits, ylim=(-0.7, len(rows) - 0.3))


def _draw_null(axes: Axes, study: Study) -> None:
    rows = study.null[study.null["scale"] == "standard_errors"]
    edges = np.append(rows["low"].to_numpy(float), float(rows["high"].iloc[-1]))
    counts, observed = rows["count"].to_numpy(float), float(rows["observed"].iloc[0])
    axes.stairs(counts, edges, fill=True, color=FAINT)
    axes.axvline(observed, color=_OBSERVED, linewidth=1.5)
    axes.set(xlabel="largest gap, in standard errors", yticks=[], ylim=(0, counts.max() * 1.1))
    axes.spines["left"].set_visible(False)
    axes.set_ylabel("worlds without\nany difference", color=MUTED)


def _write(axes: Axes, study: Study) -> None:
    said = (
        ("Greatest of 45", study.greatest),
        ("Token test", study.token_test),
        ("specgap", study.claim.split("? ", 1)[1]),
    )
    lines = [
        (head if not at else "", line)
        for head, words in said
        for at, line in enumerate(textwrap.wrap(words, _CHARACTERS))
    ]
    for place, (head, line) in enumerate(lines):
        y = 1 - (place + 0.5) / 7
        for x, words, colour in ((-0.4, head, MUTED), (-0.18, line, INK)):
            text = axes.text(x, y, words, transform=axes.transAxes, va="center", fontsize=6.4, color=colour)
            text.set_in_layout(False)


def _explain(figure: Figure) -> None:
    handles = [
        figure.axes[0].plot([], [], color=COLOURS[0], linewidth=3)[0],
        figure.axes[0].plot([], [], color=COLOURS[0], linewidth=0.9)[0],
        figure.axes[0].plot([], [], "|", color=_TRUE, markersize=8, markeredgewidth=1.8)[0],
        figure.axes[0].plot([], [], color=_OBSERVED, linewidth=1.5)[0],
    ]
    labels = ["95 %, these terms", "95 %, terms like these", "true rate", "this study"]
    figure.legend(handles, labels, loc="outside upper right", ncols=4, fontsize=6.5, frameon=False)
