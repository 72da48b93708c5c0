"""What a study like this one could find, in words: what a researcher asks before the next run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from specgap.errors import TableError
from specgap.stats.power import Spread
from specgap.tables.csv import read_table


def power_report(
    folder: Path, gaps: Sequence[float], grouping: str = "", *, sizes: tuple[int, int] | None = None
) -> Iterator[str]:
    """Yield sentences from a cell's folder of tables; `gaps` are in percentage points.

    They say what was detectable between groups of the median size, of `sizes` units and of the study's own
    sizes, and how many terms per group each gap needs at the spread measured so far.
    """
    if sizes is not None and min(sizes) < 1:
        raise TableError(f"--sizes {sizes[0]} {sizes[1]}: wanted two numbers of at least 1")
    suffix = f"--{grouping}.csv" if grouping else ".csv"
    path = folder / f"gap_test{suffix}"
    row = read_table(path).iloc[0]
    if pd.isna(row["unit_sd_pp"]):
        yield f"Nothing can be told without a test of all gaps: {str(row['note']).split('; ')[-1]}."
        return
    spread = Spread((row["unit_sd_pp"] / 100) ** 2, int(row["n_groups_compared"]), int(row["n_strata"]))
    units = "terms" if row["unit"] == "term" else "prompts"
    size = f"{row['median_units']:g}"
    layout = f"{row['n_groups_compared']:.0f} groups, {row['n_units']} {units}, median {size} per group"
    yield (
        f"{layout}; rates of {units} within a group have a standard deviation of "
        f"{row['unit_sd_pp']:.2f} points."
    )
    yield _found(f"groups of {size}", row["detectable_pp"] / 100)
    if sizes is not None:
        between = f"a group of {sizes[0]} and one of {sizes[1]}, in a study of so many {units}"
        yield _found(between, spread.between(*sizes, int(row["df"])))
    yield from _of_pairs(read_table(folder / f"group_differences{suffix}"))
    for gap in gaps:
        needed = spread.needed(gap / 100)
        many = f"{needed:,}" if needed else "more than 100,000"
        yield f"A gap of {gap:g} points needs {many} {units} in every group."


def _found(between: str, gap: float | None) -> str:
    if gap is None or pd.isna(gap):
        return f"What {between} would have shown cannot be told."
    return f"Found with 80 % power between {between}: {100 * gap:.1f} points."


def _of_pairs(differences: pd.DataFrame) -> Iterator[str]:
    """Say between which two groups of the study the least is found, and between which only the most."""
    known = differences.dropna(subset=["detectable_pp"]).sort_values("detectable_pp", kind="stable")
    if len(known) > 1:
        (least, a, b), (most, c, d) = (
            (row["detectable_pp"], row["group_a"], row["group_b"])
            for _, row in known.iloc[[0, -1]].iterrows()
        )
        yield f"By pair of groups from {least:.1f} points ({a}, {b}) to {most:.1f} ({c}, {d})."
