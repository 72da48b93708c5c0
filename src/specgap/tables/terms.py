"""`terms.csv`: the rate of every identity term, the dots behind a group's rate."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from specgap.stats.layout import sums_by
from specgap.tables.acceptance import Mode
from specgap.tables.counts import frame_of
from specgap.tables.layout import Entries, judged_sums
from specgap.tables.membership import Group

COLUMNS = (
    "group",
    "term",
    "stratum",
    "n_prompts",
    "n_judged",
    "n_accepted",
    "acceptance_rate",
    "mode",
    "pilot",
    "note",
)


def terms(groups: Sequence[Group], found: Entries, *, mode: Mode) -> pd.DataFrame:
    """Return the table: one row per unit and stratum, in listed order; a prompt without a term is a unit."""
    layout, sums = found.layout, judged_sums(found)
    key = layout.unit * len(layout.strata) + layout.stratum
    _, first, at = np.unique(key, return_index=True, return_inverse=True)
    n = len(first)
    accepted, judged = sums_by(sums.part, at, n), sums_by(sums.whole, at, n)
    prompts = np.bincount(at, minlength=n)
    rows = []
    for one in np.argsort(first, kind="stable").tolist():
        group = groups[layout.group[first[one]]]
        rows.append(
            {
                "group": group.name,
                "term": layout.units[layout.unit[first[one]]],
                "stratum": layout.strata[layout.stratum[first[one]]],
                "n_prompts": int(prompts[one]),
                "n_judged": int(judged[one]),
                "n_accepted": int(accepted[one]),
                "acceptance_rate": float(accepted[one] / judged[one]) if judged[one] else None,
                "mode": mode,
                "pilot": group.pilot,
                "note": "; ".join([*group.notes, *([] if judged[one] else ["nothing judged"])]),
            }
        )
    return frame_of(rows, COLUMNS)
