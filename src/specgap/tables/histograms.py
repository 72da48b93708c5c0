"""`histograms.csv` and `joint_histogram.csv`: p, q, p − q and log(p/q) of each group's tokens."""

from typing import Any

import numpy as np
import pandas as pd

from specgap.tables.acceptance import Mode

COLUMNS = ("group", "verdict", "quantity", "bin", "low", "high", "count", "mode", "pilot")
JOINT_COLUMNS = ("group", "verdict", "p_low", "p_high", "q_low", "q_high", "count", "mode", "pilot")


def histograms(counted: pd.DataFrame, *, mode: Mode, pilot: int | None) -> pd.DataFrame:
    """Return one row per group, verdict, quantity and bin, empty bins too.

    `low` ≤ value < `high`, but the last bin holds 1. The outermost bins of `log_ratio` have no bound on one
    side: that cell is empty.
    """
    bounds = {name: counted[name].replace([np.inf, -np.inf], np.nan) for name in ("low", "high")}
    return counted.assign(**bounds, mode=mode, pilot=_column(counted, pilot))[list(COLUMNS)]


def joint_histogram(counted: pd.DataFrame, *, mode: Mode, pilot: int | None) -> pd.DataFrame:
    """Return one row per group, verdict and cell of p × q that is not empty."""
    return counted.assign(mode=mode, pilot=_column(counted, pilot))[list(JOINT_COLUMNS)]


def _column(frame: pd.DataFrame, pilot: int | None) -> "pd.Series[Any]":
    return pd.Series([pilot] * len(frame), index=frame.index, dtype=object)
