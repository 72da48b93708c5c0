"""`gap_test.csv`, `gap_null.csv`, `power.csv`: whether any gap is real, and what could have been found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from specgap.stats.claims import ALPHA, Finding, Gap, Unit, sentence, verdict
from specgap.stats.design import NotEstimableError
from specgap.stats.gaps import Gaps, gaps
from specgap.stats.layout import Floats
from specgap.stats.power import GRID, Spread, detectable
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of, points
from specgap.tables.layout import Entries, judged_sums
from specgap.tables.membership import PROMPTS_AS_UNITS, Group

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
#: What is said where some groups have none of their templates in common.
APART = "groups without a template in common: theirs count as drawn at random"
#: Bins of the permuted maxima.
_BINS = 40


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
        said += [APART] if self.gaps is not None and not self.gaps.joined[self.gaps.comparable].all() else []
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
        different = found.different
        return replace(
            about,
            largest=self._gap(int(found.size.argmax())),
            different=self._gap(self._most_different(found, different)) if different.any() else None,
            least_p=found.least_p,
            within_strata=len(found.variances) > 1,
            not_compared=self.not_compared,
            n_pairs=int(found.comparable.sum()),
            n_different=int(different.sum()),
            n_blind=int((100 * self.detectable[found.comparable] > self.small_gap).sum()),
            detectable=points(self.spread.detectable(self.median_units)),
            median_units=self.median_units,
        )

    @cached_property
    def detectable(self) -> Floats:
        """Smallest gap of each pair found with 80 % power, (pairs,), NaN where unknown."""
        return np.empty(0) if self.gaps is None else detectable(self.gaps)

    def _gap(self, at: int) -> Gap:
        assert self.gaps is not None
        found, least = self.gaps, self.detectable[at]
        (a, b), (low, high) = oriented(found, at)
        return Gap(
            group_a=found.groups[a],
            group_b=found.groups[b],
            points=100 * abs(float(found.contrast[at])),
            low=100 * low,
            high=100 * high,
            p_adjusted=float(found.p_adjusted[at]),
            detectable=None if np.isnan(least) else 100 * float(least),
            one_unit=tuple(found.groups[k] for k in (a, b) if found.n_rows[k] == 1),
        )

    def _most_different(self, found: Gaps, different: NDArray[np.bool_]) -> int:
        """Return the pair that is named as more than chance: the largest gap, of broad groups if any is."""
        by_name = {group.name: group.headline for group in self.groups}
        broad = different & np.array([all(by_name[found.groups[k]] for k in pair) for pair in found.pairs])
        return int(np.where(broad if broad.any() else different, found.size, -1.0).argmax())


def oriented(found: Gaps, at: int) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the two groups of a pair, the one above first, and the ends of that difference's interval."""
    a, b = map(int, found.pairs[at])
    low, high = float(found.low[at]), float(found.high[at])
    return ((b, a), (-high, -low)) if found.contrast[at] < 0 else ((a, b), (low, high))


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
