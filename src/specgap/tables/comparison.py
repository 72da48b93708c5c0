"""A grouping's test of all pairs of groups, and what a sentence about it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from specgap.stats.claims import Finding, Gap, Unit
from specgap.stats.design import NotEstimableError
from specgap.stats.gaps import Gaps, gaps
from specgap.stats.layout import Floats
from specgap.stats.power import Spread, detectable
from specgap.tables.acceptance import Mode
from specgap.tables.counts import points
from specgap.tables.layout import Entries, judged_sums
from specgap.tables.membership import PROMPTS_AS_UNITS, Group

#: What is said where some groups have none of their templates in common.
APART = "groups without a template in common: theirs count as drawn at random"


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
