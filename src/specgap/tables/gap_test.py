"""`gap_test.csv`, `gap_null.csv`, `power.csv`: whether any gap is real, and what could have been found."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from specgap.stats.claims import ALPHA, Finding, Gap, sentence, verdict
from specgap.stats.gaps import Gaps
from specgap.stats.layout import Floats
from specgap.stats.power import GRID
from specgap.tables.comparison import Comparison, oriented
from specgap.tables.counts import Row, frame_of, points

#: Columns of a pair: its groups, gap, simultaneous interval and adjusted p.
LARGEST = ("group_a", "group_b", "gap_pp", "simultaneous_low_pp", "simultaneous_high_pp", "p_adjusted")
DIFFERENT = (
    "different_a",
    "different_b",
    "different_pp",
    "different_low_pp",
    "different_high_pp",
    "different_p_adjusted",
)
COLUMNS = (
    "n_groups",
    "n_groups_compared",
    "n_units",
    "n_strata",
    "n_pairs",
    "n_different",
    "permutations",
    "df",
    "p_omnibus",
    "least_p",
    *LARGEST,
    "pair_detectable_pp",
    *DIFFERENT,
    "share_as_large",
    "null_mean_pp",
    "null_p95_pp",
    "median_units",
    "unit_sd_pp",
    "detectable_pp",
    "small_gap_pp",
    "verdict",
    "unit",
    "claim",
    "mode",
    "pilot",
    "note",
)
NULL_COLUMNS = ("scale", "low", "high", "count", "observed", "group_a", "group_b", "note")
POWER_COLUMNS = ("n_terms", "power_80_pp", "now", "mode", "pilot", "note")
#: Bins of the permuted maxima.
_BINS = 40


def gap_test(test: Comparison) -> pd.DataFrame:
    """Return the table, of one row: the test, the largest gap, what could be found, the claim.

    `group_a`, `group_b` and the columns behind them are of the largest gap of all pairs; `different_…` of the
    one that is named as more than chance, empty where none is.
    """
    finding = test.finding
    row: Row = {
        "n_groups": len(test.groups),
        "n_units": int(test.units.sum()),
        "small_gap_pp": test.small_gap,
        "verdict": verdict(finding),
        "unit": test.unit,
        "claim": sentence(finding),
        "mode": test.mode,
        "pilot": test.pilot,
        "note": "; ".join(test.notes),
    }
    if test.gaps is not None and test.spread is not None:
        row |= _numbers(test.gaps, finding)
        row["unit_sd_pp"] = 100 * math.sqrt(test.spread.variance)
    return frame_of([row], COLUMNS)


def gap_null(test: Comparison) -> pd.DataFrame:
    """Return the permuted maxima as histograms: of the gap in points, of T in standard errors.

    `observed` is this study's greatest of either, `group_a` and `group_b` the pair that has it: a gap
    between small groups may be large in points and small in standard errors.
    """
    if test.gaps is None:
        return frame_of([], NULL_COLUMNS)
    found = test.gaps
    rows = []
    for scale, values, sizes in (
        ("points", 100 * found.worst_contrast, 100 * found.size),
        ("standard_errors", found.worst_statistic, found.statistic),
    ):
        at = int(sizes.argmax())
        a, b = oriented(found, at)[0]
        pair = {"group_a": found.groups[a], "group_b": found.groups[b], "note": "; ".join(test.notes)}
        rows += [row | pair for row in _histogram(scale, values, float(sizes[at]))]
    return frame_of(rows, NULL_COLUMNS)


def power_table(test: Comparison) -> pd.DataFrame:
    """Return the smallest gap found with 80 % power by units per group; `now`: the median group's size."""
    spread, now = test.spread, test.median_units
    if spread is None:
        return frame_of([], POWER_COLUMNS)
    note = "; ".join(test.notes)
    rows = [
        {
            "n_terms": int(n) if n.is_integer() else n,
            "power_80_pp": points(spread.detectable(n)),
            "now": n == now,
            "mode": test.mode,
            "pilot": test.pilot,
            "note": note,
        }
        for n in sorted({*map(float, GRID), now})
    ]
    return frame_of(rows, POWER_COLUMNS)


def _numbers(found: Gaps, finding: Finding) -> Row:
    return {
        "n_groups_compared": len(found.groups),
        "n_strata": len(found.variances),
        "n_pairs": finding.n_pairs,
        "n_different": finding.n_different,
        "permutations": found.permutations,
        "df": found.freedom,
        "p_omnibus": found.p,
        "least_p": found.least_p,
        **_pair(finding.largest, LARGEST),
        "pair_detectable_pp": finding.largest.detectable if finding.largest else None,
        **_pair(finding.different, DIFFERENT),
        "share_as_large": found.share_as_large,
        "null_mean_pp": 100 * float(found.worst_contrast.mean()),
        "null_p95_pp": 100 * float(np.quantile(found.worst_contrast, 1 - ALPHA)),
        "median_units": finding.median_units,
        "detectable_pp": finding.detectable,
    }


def _pair(gap: Gap | None, columns: Sequence[str]) -> Row:
    if gap is None:
        return {}
    values = (gap.group_a, gap.group_b, gap.points, gap.low, gap.high, gap.p_adjusted)
    return dict(zip(columns, values, strict=True))


def _histogram(scale: str, values: Floats, observed: float) -> list[Row]:
    # A world without spread has infinitely many standard errors, and no bin.
    values = values[np.isfinite(values)]
    shown = observed if np.isfinite(observed) else None
    if not len(values):
        return []
    edges = np.linspace(0, max(float(values.max()), shown or 0.0, 1e-9) * 1.02, _BINS + 1)
    counts, _ = np.histogram(values, edges)
    return [
        {"scale": scale, "low": low, "high": high, "count": int(count), "observed": shown}
        for (low, high), count in zip(pairwise(edges.tolist()), counts, strict=True)
    ]
