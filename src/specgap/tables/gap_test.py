"""`gap_test.csv`, `gap_null.csv`, `power.csv`: whether any gap is real, and what could have been found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from specgap.stats.claims import ALPHA, Finding, Unit, sentence, verdict
from specgap.stats.design import NotEstimableError
from specgap.stats.gaps import Gaps, gaps
from specgap.stats.layout import Floats
from specgap.stats.power import GRID, Spread
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of, points
from specgap.tables.headline import HEADLINE_UNITS
from specgap.tables.layout import Entries, judged_sums
from specgap.tables.membership import Group

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
    "group_a",
    "group_b",
    "gap_pp",
    "simultaneous_low_pp",
    "simultaneous_high_pp",
    "p_adjusted",
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
NULL_COLUMNS = ("scale", "low", "high", "count", "observed")
POWER_COLUMNS = ("n_terms", "power_80_pp", "now", "mode", "pilot", "note")
#: Bins of the permuted maxima.
_BINS = 40
PROMPTS_AS_UNITS = "units are prompts: nothing is said of terms like these"


@dataclass(frozen=True)
class Comparison:
    """A grouping's test, or why there is none."""

    grouping: str
    groups: Sequence[Group]
    entries: Entries
    gaps: Gaps | None
    reason: str
    small_gap: float
    mode: Mode

    @property
    def unit(self) -> Unit:
        """What is permuted."""
        return "term" if self.entries.layout.has_terms else "prompt"

    @cached_property
    def units(self) -> Floats:
        """Number of units with judged tokens of each group that has any."""
        layout = self.entries.layout
        n = layout.kept(judged_sums(self.entries).counted).units_per_group
        return n[n > 0].astype(np.float64)

    @property
    def notes(self) -> list[str]:
        """What holds of the test whatever it finds."""
        said = [PROMPTS_AS_UNITS] if self.unit == "prompt" else []
        said += [f"pilot of {self.pilot} prompts per group"] if self.pilot is not None else []
        said += [f"compared with none: {', '.join(self.not_compared)}"] if self.not_compared else []
        return [*said, *self.entries.notes, *([self.reason] if self.reason else [])]

    @cached_property
    def not_compared(self) -> tuple[str, ...]:
        """Groups that share no stratum with another, or have nothing judged, where others are compared."""
        if self.gaps is None:
            return ()
        compared = {self.gaps.groups[k] for k in self.gaps.pairs[self.gaps.comparable].ravel()}
        return tuple(group.name for group in self.groups if group.name not in compared)

    @property
    def median_units(self) -> float:
        """Units of the median group; 0 where none has any."""
        return float(np.median(self.units)) if len(self.units) else 0.0

    @property
    def pilot(self) -> int | None:
        return self.groups[0].pilot if self.groups else None

    @cached_property
    def spread(self) -> Spread | None:
        return None if self.gaps is None else Spread.of(self.gaps)

    @cached_property
    def finding(self) -> Finding:
        """What a sentence is made of."""
        about = Finding(self.grouping, len(self.groups), self.unit, self.reason, small_gap=self.small_gap)
        if self.gaps is None or self.spread is None:
            return about
        found = self.gaps
        at, least = self._chosen(found)
        a, b = found.pairs[at] if found.contrast[at] >= 0 else found.pairs[at][::-1]
        low, high = sorted(np.sign(found.contrast[at] or 1) * np.array([found.low[at], found.high[at]]))
        return replace(
            about,
            group_a=found.groups[a],
            group_b=found.groups[b],
            gap=100 * abs(float(found.contrast[at])),
            low=100 * float(low),
            high=100 * float(high),
            p_adjusted=float(found.p_adjusted[at]),
            least_units=least,
            least_p=found.least_p,
            within_strata=len(found.variances) > 1,
            one_unit=tuple(found.groups[k] for k in (a, b) if found.n_rows[k] == 1),
            not_compared=self.not_compared,
            n_pairs=int(found.comparable.sum()),
            n_different=int((found.p_adjusted[found.comparable] < ALPHA).sum()),
            detectable=points(self.spread.detectable(self.median_units)),
            median_units=self.median_units,
        )

    def _chosen(self, found: Gaps) -> tuple[int, int]:
        """Return the pair that is named, and how many units it had to have (0: any).

        It is the largest gap among those that are more than chance, if there are such; among these, as among
        all, one between groups of enough units for a headline comes first. An adjusted p is below `ALPHA` for
        some pairs whose simultaneous interval holds 0, since it steps down: they come last.
        """
        by_name = {group.name: group.headline for group in self.groups}
        broad = np.array([all(by_name[found.groups[k]] for k in pair) for pair in found.pairs])
        different = found.comparable & (found.p_adjusted < ALPHA)
        apart = different & ((found.low > 0) | (found.high < 0))
        for chosen in (apart & broad, apart, different & broad, different):
            if chosen.any():
                return _largest(found, chosen), 0
        if (found.comparable & broad).any():
            passed_over = (found.comparable & ~broad).any()
            return _largest(found, found.comparable & broad), HEADLINE_UNITS if passed_over else 0
        return _largest(found, found.comparable), 0


def compare(
    grouping: str,
    groups: Sequence[Group],
    found: Entries,
    *,
    mode: Mode,
    permutations: int,
    seed: int,
    small_gap: float,
) -> Comparison:
    """Run the test of all pairs of groups (`specgap.stats.gaps`); without one the reason is kept."""
    result, reason = None, ""
    try:
        result = gaps(found.layout, judged_sums(found), permutations=permutations, seed=seed)
    except NotEstimableError as error:
        reason = str(error)
    return Comparison(grouping, groups, found, result, reason, small_gap, mode)


def gap_test(test: Comparison) -> pd.DataFrame:
    """Return the table, of one row: the test, the pair that is named, what could be found, the claim."""
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

    `observed` is the gap that is named, and this study's greatest T.
    """
    if test.gaps is None:
        return frame_of([], NULL_COLUMNS)
    found = test.gaps
    rows = _histogram("points", 100 * found.worst_contrast, test.finding.gap)
    return frame_of(
        rows + _histogram("standard_errors", found.worst_statistic, float(found.statistic.max())),
        NULL_COLUMNS,
    )


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
        "group_a": finding.group_a,
        "group_b": finding.group_b,
        "gap_pp": finding.gap,
        "simultaneous_low_pp": finding.low,
        "simultaneous_high_pp": finding.high,
        "p_adjusted": finding.p_adjusted,
        "share_as_large": found.share_as_large(finding.gap / 100),
        "null_mean_pp": 100 * float(found.worst_contrast.mean()),
        "null_p95_pp": 100 * float(np.quantile(found.worst_contrast, 1 - ALPHA)),
        "median_units": finding.median_units,
        "detectable_pp": finding.detectable,
    }


def _largest(found: Gaps, chosen: NDArray[np.bool_]) -> int:
    return int(np.where(chosen, np.abs(found.contrast), -1).argmax())


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
