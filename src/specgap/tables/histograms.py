"""`histograms.csv` and `joint_histogram.csv`: p, q, p − q and log(p/q) of each group's tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from specgap.tables.acceptance import Mode
from specgap.tables.membership import Group

COLUMNS = ("group", "verdict", "quantity", "bin", "low", "high", "count", "mode", "pilot", "note")
JOINT_COLUMNS = ("group", "verdict", "p_low", "p_high", "q_low", "q_high", "count", "mode", "pilot", "note")


def histograms(counted: pd.DataFrame, groups: Sequence[Group], *, mode: Mode) -> pd.DataFrame:
    """Return one row per group, verdict, quantity and bin, empty bins too.

    `low` ≤ value < `high`, but the last bin holds 1. The outermost bins of `log_ratio` have no bound on one
    side: that cell is empty. `note` is what a reader must know about the group.
    """
    bounds = {name: counted[name].replace([np.inf, -np.inf], np.nan) for name in ("low", "high")}
    return _finished(counted.assign(**bounds), groups, mode)[list(COLUMNS)]


def joint_histogram(counted: pd.DataFrame, groups: Sequence[Group], *, mode: Mode) -> pd.DataFrame:
    """Return one row per group, verdict and cell of p × q that is not empty."""
    return _finished(counted, groups, mode)[list(JOINT_COLUMNS)]


def _finished(counted: pd.DataFrame, groups: Sequence[Group], mode: Mode) -> pd.DataFrame:
    pilots = {group.name: group.pilot for group in groups}
    notes = {group.name: "; ".join(group.notes) for group in groups}
    return counted.assign(mode=mode, pilot=_of_group(counted, pilots), note=_of_group(counted, notes))


def _of_group(frame: pd.DataFrame, values: dict[str, Any]) -> "pd.Series[Any]":
    # As objects: a pilot's whole number stays whole, and a missing one stays None.
    return pd.Series([values[group] for group in frame["group"]], index=frame.index, dtype=object)
