"""What a study like this one could find, in words: what a researcher asks before the next run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from specgap.errors import TableError
from specgap.stats.power import Spread
from specgap.tables.csv import read_table


def power_report(folder: Path, gaps: Sequence[float], grouping: str = "") -> Iterator[str]:
    """Yield sentences from `gap_test.csv` in a cell's folder of tables; `gaps` are in percentage points.

    They say what was detectable, and how many terms per group each gap needs at the spread measured so far.
    """
    path = folder / (f"gap_test--{grouping}.csv" if grouping else "gap_test.csv")
    row = read_table(path).iloc[0]
    if pd.isna(row["unit_sd_pp"]):
        raise TableError(f"{path} holds no test ({row['note']}); wanted one with a spread between units")
    spread = Spread((row["unit_sd_pp"] / 100) ** 2, int(row["n_groups_compared"]), int(row["n_strata"]))
    units = "terms" if row["unit"] == "term" else "prompts"
    size = f"{row['median_units']:g}"
    layout = f"{row['n_groups_compared']:.0f} groups, {row['n_units']} {units}, median {size} per group"
    yield (
        f"{layout}; rates of {units} within a group have a standard deviation of "
        f"{row['unit_sd_pp']:.2f} points."
    )
    yield (
        f"Found with 80 % power between groups of {size}: {row['detectable_pp']:.1f} points."
        if pd.notna(row["detectable_pp"])
        else f"What groups of {size} would have shown cannot be told."
    )
    for gap in gaps:
        needed = spread.needed(gap / 100)
        many = f"{needed:,}" if needed else "more than 100,000"
        yield f"A gap of {gap:g} points needs {many} {units} in every group."
