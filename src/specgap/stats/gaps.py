"""Which groups differ: all pairs at once, with units permuted over groups within strata.

1. Each prompt's pseudo-value in units of the rate, z = R_c + (A − R_c·Q) / Q̄_c, is linearised in its cell c,
   a group in a stratum, and averaged over the prompts of a unit (identity term). A unit with prompts in
   several strata is in a stratum of its kind: it is one observation, whatever it is made of.
2. Least squares of the units' values on group + stratum; a contrast is a difference of two group
   coefficients.
3. One variance per stratum, σ̂² = Σ r² / Σ(1 − h); a contrast's from the sandwich with these, and
   T = |contrast| / se.
4. Units are permuted over groups within strata and all of it is computed anew. p = (1 + #{max T* ≥ T}) /
   (B + 1) (Phipson & Smyth 2010), which is never 0.
5. Step-down p of all pairs from the same draws (Westfall & Young 1993; Romano & Wolf 2005): approximate,
   since permuting all groups at once is exact for the hypothesis that none differs, and less so for subsets
   of pairs.
6. Simultaneous intervals, contrast ± se · q / √2 with the studentised range of K groups (Tukey–Kramer),
   which hold for whichever pair is looked at. With several variances q has the degrees of freedom of the
   contrast's own (Satterthwaite 1946).

Under the hypothesis units are exchangeable between groups. T is studentised since raw differences would
test whether the groups have one distribution, not one rate (Janssen 1997; Chung & Romano 2013).
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import studentized_range
from statsmodels.stats.libqsturng import qsturng

from specgap.stats.claims import ALPHA
from specgap.stats.design import Design, NotEstimableError
from specgap.stats.draws import chunks
from specgap.stats.layout import Floats, Ints, Layout, Sums
from specgap.stats.ratio import LEVEL

#: Most units × permuted worlds: studies of more units draw fewer worlds, but so many at least.
_MOST_WORK, _FEWEST = 100_000_000, 999
#: Keeps these draws apart from those of other tests with one seed.
_PURPOSE = 0x6A95
#: Spread of units below which nothing can be tested, in the square of a rate.
_NO_VARIANCE = 1e-18
#: A permuted world as large as the observed one but for rounding is as large.
_ROUNDING = 1e-9
#: More degrees of freedom make no difference to the studentised range, and cost it its precision.
_MOST_FREEDOM = 10_000


@dataclass(frozen=True)
class Gaps:
    """All pairs of the groups that have anything judged; arrays of pairs have shape (pairs,)."""

    groups: tuple[str, ...]
    #: Units by group.
    n_rows: Ints
    #: Group rates at the strata of all units together, least squares.
    adjusted: Floats
    #: Indices into `groups`, (pairs, 2).
    pairs: Ints
    #: Whether the two groups share a stratum, directly or through others.
    comparable: NDArray[np.bool_]
    #: Whether they have templates in common; else a gap may be one between templates.
    joined: NDArray[np.bool_]
    contrast: Floats
    se: Floats
    p_adjusted: Floats
    low: Floats
    high: Floats
    #: Of the hypothesis that no two groups differ.
    p: float
    freedom: int
    #: Of each contrast's standard error, (pairs,): fewer than `freedom` where strata differ in spread.
    freedoms: Floats
    permutations: int
    #: Least p that data of this layout can have: the share of arrangements that are like the observed one.
    least_p: float
    #: Greatest T and greatest |contrast| of each permuted world.
    worst_statistic: Floats
    worst_contrast: Floats
    #: Variance of a unit's value by stratum, and the share of all units in it.
    variances: Floats
    stratum_shares: Floats

    @property
    def statistic(self) -> Floats:
        """|contrast| / se by pair; 0 where the groups are not comparable."""
        return _divided(np.abs(self.contrast), self.se, self.comparable)

    @property
    def different(self) -> NDArray[np.bool_]:
        """Pairs that are more than chance: an adjusted p below `ALPHA`, and an interval that leaves 0 out.

        Either alone is held to the level for all pairs at once where no group differs. Beside one that does,
        the step-down claims a little too many, which is what the interval is asked for.
        """
        apart = (self.low > 0) | (self.high < 0)
        return np.asarray(self.comparable & (self.p_adjusted < ALPHA) & apart)

    @property
    def size(self) -> Floats:
        """|contrast| by pair; −1 where the groups are not comparable, so that these are never the largest."""
        return np.where(self.comparable, np.abs(self.contrast), -1.0)

    @property
    def share_as_large(self) -> float:
        """Share of the worlds, this one among them, whose greatest gap is at least the greatest here."""
        exceeded = (self.worst_contrast >= self.size.max() - _ROUNDING).sum()
        return float((1 + exceeded) / (self.permutations + 1))


def gaps(layout: Layout, sums: Sums, *, permutations: int, seed: int) -> Gaps:
    """Return the test of all pairs of groups on ΣA / ΣQ; entries without a denominator are left out.

    The result depends neither on the order of entries, groups or strata, nor on any name. Raises
    `NotEstimableError`.
    """
    design = Design.of(layout, sums)
    [contrast], [se], [variances] = design.fit(design.features[None])
    # Permuted worlds mix the templates of groups; this one may have them apart.
    se = np.sqrt(se**2 + design.template_variance)
    if not (variances > _NO_VARIANCE).any():
        alike = (np.abs(contrast) <= _ROUNDING).all()
        differ = "" if alike else ", though groups differ: all units of a group have one rate"
        raise NotEstimableError(f"no spread between units{differ}")
    comparable = design.comparable
    statistic = _divided(np.abs(contrast), se, comparable)
    permutations = min(permutations, max(_FEWEST, _MOST_WORK // len(design.features)))
    order = np.argsort(-statistic, kind="stable")
    order = order[comparable[order]]
    exceeded, worst_statistic, worst_contrast = _permuted(design, statistic, order, permutations, seed)
    adjusted = np.ones_like(statistic)
    adjusted[order] = np.maximum.accumulate((1 + exceeded) / (permutations + 1))
    freedoms = design.freedoms(variances)
    reach = _reaches(len(design.groups), freedoms)
    return Gaps(
        groups=tuple(layout.groups[k] for k in design.groups),
        n_rows=design.n_rows,
        adjusted=design.adjusted(),
        pairs=design.pairs,
        comparable=comparable,
        joined=design.joined,
        contrast=contrast,
        se=se,
        p_adjusted=adjusted,
        # No two rates are further apart than 1.
        low=np.maximum(contrast - reach * se, -1.0),
        high=np.minimum(contrast + reach * se, 1.0),
        p=float(adjusted[order[0]]),
        freedom=design.freedom,
        freedoms=freedoms,
        permutations=permutations,
        least_p=max(design.least_share, 1 / (permutations + 1)),
        worst_statistic=worst_statistic,
        worst_contrast=worst_contrast,
        variances=variances,
        stratum_shares=design.stratum_rows / design.stratum_rows.sum(),
    )


def _reaches(n_groups: int, freedoms: Floats) -> Floats:
    """Return how many standard errors each simultaneous interval reaches."""
    freedoms = np.minimum(freedoms, _MOST_FREEDOM)
    if np.ptp(freedoms) < 1e-6:
        return np.full_like(freedoms, _reach(n_groups, round(float(freedoms[0]), 6)))
    # Many different ones: Gleason's approximation (1999), within a thousandth and 200 times as fast.
    found = np.asarray(qsturng(LEVEL, n_groups, np.maximum(freedoms, 2.0)), dtype=np.float64)
    return np.asarray(found / np.sqrt(2))


@cache
def _reach(n_groups: int, freedom: float) -> float:
    return float(studentized_range.ppf(LEVEL, n_groups, freedom) / np.sqrt(2))


def exceeding(statistic: Floats, null: Floats, order: Ints) -> Ints:
    """Return in how many worlds each pair, or any behind it in `order`, is as large as it is here.

    `order` lists pairs from the largest `statistic`, (pairs,), on; `null` is (worlds, pairs).
    """
    rest = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    return np.asarray((rest >= statistic[order] - _ROUNDING).sum(axis=0))


def _permuted(
    design: Design, statistic: Floats, order: Ints, permutations: int, seed: int
) -> tuple[Ints, Floats, Floats]:
    """Return `exceeding` over all permuted worlds, and each world's greatest T and greatest gap."""
    exceeded, statistics, contrasts = np.zeros(len(order), dtype=np.int64), [], []
    for rng, n in chunks(permutations, design.features.size, seed=seed, purpose=_PURPOSE):
        places = np.empty((n, len(design.features)), dtype=np.intp)
        for low, high in pairwise(design.bounds):
            places[:, low:high] = np.arange(low, high)
            places[:, low:high] = rng.permuted(places[:, low:high], axis=1)
        contrast, se, _ = design.fit(design.pool[places])
        size = np.abs(contrast)
        null = _divided(size, se, design.comparable)
        exceeded += exceeding(statistic, null, order)
        statistics.append(null.max(axis=1))
        contrasts.append(size[:, design.comparable].max(axis=1))
    return exceeded, np.concatenate(statistics), np.concatenate(contrasts)


def _divided(size: Floats, se: Floats, comparable: NDArray[np.bool_]) -> Floats:
    """Return size / se; a gap without any spread is infinitely many of them, unless it is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = size / se
    found = np.where(size <= _ROUNDING, 0.0, found)
    return np.where(comparable, found, 0.0)
