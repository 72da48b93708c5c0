"""Colours, line styles and sizes that more than one kind of figure uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style

#: Widths in inches: a page, and a column of it.
WIDE, NARROW = 7.0, 3.35
INK, MUTED, FAINT = "#222222", "#6b6b6b", "#b8b8b8"
#: Okabe–Ito without black and yellow: all seven stand out on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
LINES: tuple[Any, ...] = ("-", (0, (4, 1.2)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (7, 1.5, 1, 1.5, 1, 1.5)))
#: Markers that differ in outline, for series that colour alone must not tell apart.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: A rate over fewer tokens is not drawn.
FEWEST_TOKENS = 20

_SHEET = Path(__file__).with_name("paper.mplstyle")


@dataclass(frozen=True)
class Look:
    """How one series is drawn; colour and line style both vary, so either tells it apart."""

    color: str
    linestyle: Any


VERDICTS = {"accepted": Look(COLOURS[0], "-"), "rejected": Look(COLOURS[1], (0, (4, 1.2)))}


def look(index: int) -> Look:
    """Return the look of the series at `index`; 35 of them differ, neighbours in colour and line."""
    return Look(COLOURS[index % len(COLOURS)], LINES[index % len(LINES)])


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw with the defaults of matplotlib and the stylesheet, whatever the user's own matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        matplotlib.style.use(_SHEET)
        yield
