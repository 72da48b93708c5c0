"""Words of the test of a cell, as figures write them: p-values, shares of worlds, why there is none."""

import math
from typing import Any

import pandas as pd

from specgap.stats.claims import p_words

_NO_TEST = "fewer than two groups can be compared"


def the_test(gap_test: pd.DataFrame) -> "pd.Series[Any] | None":
    """Return the row of `gap_test.csv`; None where nothing could be tested."""
    known = gap_test[gap_test["p_omnibus"].notna()]
    return None if known.empty else known.iloc[0]


def why_not(gap_test: pd.DataFrame) -> str:
    """Say why nothing could be tested: the last part of the table's note, if it has one."""
    notes = [str(note) for note in gap_test["note"] if note]
    return notes[0].split("; ")[-1] if notes else _NO_TEST


def p_text(p: float) -> str:
    """Write a p-value, which is never 0.

    >>> p_text(0.2134), p_text(0.0123), p_text(0.0001), p_text(float("nan"))
    ('p = 0.21', 'p = 0.012', 'p = 0.0001', 'p –')
    """
    return "p –" if math.isnan(p) else f"p = {p_words(p)}"


def percent(share: float) -> str:
    """Write a share in per cent, rare ones without a false zero.

    >>> percent(0.3412), percent(0.0123), percent(0.0001)
    ('34 %', '1.2 %', 'less than 0.1 %')
    """
    if share < 0.001:
        return "less than 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
