"""`mixed_model.csv`: groups' mean rates by a mixed model, a cross-check for the appendix."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from specgap.stats.mixed import MarginalMean, marginal_means
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of
from specgap.tables.layout import Entries
from specgap.tables.membership import Group

COLUMNS = ("group", "estimate", "se", "low", "high", "n_units", "mode", "pilot", "note")


def mixed_model(groups: Sequence[Group], found: Entries, *, mode: Mode) -> pd.DataFrame:
    """Return a row per group: the mean over templates of its prompts' rates, with its 95 % interval.

    See `stats.mixed`. Where the model cannot be fitted the cells are empty and `note` says why.
    """
    rates = [n.accepted / n.judged if n.judged else math.nan for n in found.counts]
    means = marginal_means(np.array(rates, dtype=np.float64), found.layout)
    return frame_of([_row(g, mean) | {"mode": mode} for g, mean in zip(groups, means, strict=True)], COLUMNS)


def _row(group: Group, mean: MarginalMean) -> Row:
    low, high = mean.interval or (None, None)
    return {
        "group": group.name,
        "estimate": mean.estimate,
        "se": mean.se,
        "low": low,
        "high": high,
        "n_units": mean.n_units,
        "pilot": group.pilot,
        "note": "; ".join([*group.notes, *([mean.note] if mean.note else [])]),
    }
