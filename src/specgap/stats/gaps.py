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
from functools import cache, cached_property
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import studentized_range
from statsmodels.stats.libqsturng import qsturng

from specgap.stats.layout import Floats, Ints, Layout, Sums, sums_by
from specgap.stats.ratio import LEVEL

#: Numbers held at once while permuting.
_AT_ONCE = 1 << 21
#: Rows × permuted worlds; larger studies draw fewer worlds, of which the least permitted number remains.
_MOST_WORK, _FEWEST = 100_000_000, 999
#: Keeps these draws apart from those of other tests with one seed.
_PURPOSE = 0x6A95
#: Spread of units below which nothing can be tested, in the square of a rate; and a stratum's own, as a share
#: of that of all, below which it is rounding.
_NO_VARIANCE, _NO_SHARE = 1e-18, 1e-6
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
    contrast: Floats
    se: Floats
    p_adjusted: Floats
    low: Floats
    high: Floats
    #: Of the hypothesis that no two groups differ.
    p: float
    freedom: int
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

    def share_as_large(self, gap: float) -> float:
        """Return the share of the worlds, this one among them, whose greatest gap is at least `gap`."""
        return float((1 + (self.worst_contrast >= gap - _ROUNDING).sum()) / (self.permutations + 1))


class NotEstimableError(ValueError):
    """Why there is no test: a phrase for a note."""


def gaps(layout: Layout, sums: Sums, *, permutations: int, seed: int) -> Gaps:
    """Return the test of all pairs of groups on ΣA / ΣQ; entries without a denominator are left out.

    The result depends neither on the order of entries, groups or strata, nor on any name. Raises
    `NotEstimableError`.
    """
    design = _Design.of(layout, sums)
    [contrast], [se], rss = design.fit(design.features[None])
    [variances] = design.variances(rss)
    if not (variances > _NO_VARIANCE).any():
        raise NotEstimableError("no spread between units")
    comparable = design.comparable
    statistic = _divided(np.abs(contrast), se, comparable)
    permutations = min(permutations, max(_FEWEST, _MOST_WORK // len(design.features)))
    order = np.argsort(-statistic, kind="stable")
    order = order[comparable[order]]
    exceeded, worst_statistic, worst_contrast = _permuted(design, statistic, order, permutations, seed)
    adjusted = np.ones_like(statistic)
    adjusted[order] = np.maximum.accumulate((1 + exceeded) / (permutations + 1))
    reach = _reaches(len(design.groups), design.freedoms(variances))
    return Gaps(
        groups=tuple(layout.groups[k] for k in design.groups),
        n_rows=design.n_rows,
        adjusted=design.adjusted(),
        pairs=design.pairs,
        comparable=comparable,
        contrast=contrast,
        se=se,
        p_adjusted=adjusted,
        low=contrast - reach * se,
        high=contrast + reach * se,
        p=float(adjusted[order[0]]),
        freedom=design.freedom,
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
    design: "_Design", statistic: Floats, order: Ints, permutations: int, seed: int
) -> tuple[Ints, Floats, Floats]:
    """Return `exceeding` over all permuted worlds, and each world's greatest T and greatest gap."""
    exceeded, statistics, contrasts = np.zeros(len(order), dtype=np.int64), [], []
    step = max(1, _AT_ONCE // (design.features.size))
    # A chunk has its own key, whatever was drawn before it; its size follows from the data alone.
    for chunk, start in enumerate(range(0, permutations, step)):
        rng = np.random.Generator(np.random.Philox(key=[seed, (_PURPOSE << 32) + chunk]))
        places = np.empty((min(step, permutations - start), len(design.features)), dtype=np.intp)
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


@dataclass(frozen=True)
class _Design:
    """Units as rows, in an order that only their content decides, and least squares on them.

    Rows stand by stratum and group. Their features are A, Q, n, a, q, a², aq, q² with n prompts of the unit
    in the stratum, q = Q/n and a = A/n − R·q at the rate R of all rows: small numbers, so that sums of
    squares keep their digits.
    """

    #: Indices of the groups into the layout's, in the layout's order.
    groups: Ints
    features: Floats
    #: The same rows by stratum, in an order that does not know groups.
    pool: Floats
    #: Where each stratum begins among the rows, and the end.
    bounds: Ints
    #: Where each cell (stratum, group) begins; its group (index into `groups`) and stratum.
    cells: Ints
    cell_group: Ints
    cell_stratum: Ints
    cell_rows: Ints
    overall: float

    @classmethod
    def of(cls, layout: Layout, sums: Sums) -> "_Design":
        counted = sums.counted
        layout = layout.kept(counted)
        part, whole = sums.part[counted], sums.whole[counted]
        found = np.unique(layout.group)
        if len(found) < 2:
            raise NotEstimableError("fewer than two groups with judged tokens")
        _, first, at = np.unique(layout.unit, return_index=True, return_inverse=True)
        n_rows = len(first)
        group = np.searchsorted(found, layout.group[first])
        stratum = _kinds(at, layout.stratum, n_rows)
        n_strata = int(stratum.max()) + 1
        a, q, n = (sums_by(v, at, n_rows) for v in (part, whole, np.ones_like(whole)))
        overall = float(a.sum() / q.sum())
        mean, size = (a - overall * q) / n, q / n
        features = np.stack([a, q, n, mean, size, mean**2, mean * size, size**2], axis=1)
        group_rank = _ranks(features, group, len(found), stratum, n_strata)
        stratum_rank = _ranks(features, stratum, n_strata)
        # Rows of equal content may change places: nothing that is computed knows which is which.
        content = (n, q, a)
        order = np.lexsort((*content, group_rank[group], stratum_rank[stratum]))
        pool = np.lexsort((*content, stratum_rank[stratum]))
        group, stratum = group[order], stratum[order]
        starts = np.flatnonzero(np.r_[True, (np.diff(group) != 0) | (np.diff(stratum) != 0)])
        by_stratum = np.flatnonzero(np.r_[True, np.diff(stratum) != 0])
        design = cls(
            groups=found,
            features=features[order],
            pool=features[pool],
            bounds=np.r_[by_stratum, n_rows],
            cells=starts,
            cell_group=group[starts],
            cell_stratum=np.searchsorted(by_stratum, starts, side="right") - 1,
            cell_rows=np.diff(np.r_[starts, n_rows]),
            overall=overall,
        )
        design.check()
        return design

    def check(self) -> None:
        """Raise `NotEstimableError` where no pair can be compared, or no spread can be estimated."""
        if not self.comparable.any():
            raise NotEstimableError("no two groups share a stratum")
        if self.freedom < 1:
            raise NotEstimableError("one unit per group: no spread between units can be estimated")

    @cached_property
    def pairs(self) -> Ints:
        return np.array(list(combinations(range(len(self.groups)), 2)), dtype=np.int64)

    @cached_property
    def n_rows(self) -> Ints:
        return sums_by(self.cell_rows.astype(np.float64), self.cell_group, len(self.groups)).astype(np.int64)

    @cached_property
    def n_strata(self) -> int:
        return len(self.bounds) - 1

    @cached_property
    def stratum_rows(self) -> Floats:
        return np.diff(self.bounds).astype(np.float64)

    @cached_property
    def matrix(self) -> Floats:
        """Indicators of groups, then of strata but the first, by cell."""
        groups = self.cell_group[:, None] == np.arange(len(self.groups))
        strata = self.cell_stratum[:, None] == np.arange(1, self.n_strata)
        return np.concatenate([groups, strata], axis=1).astype(np.float64)

    @cached_property
    def solution(self) -> Floats:
        """(X'WX)⁺ X'W: cell means to coefficients."""
        x = self.matrix
        return np.asarray(np.linalg.pinv(x.T @ (self.cell_rows[:, None] * x)) @ (x.T * self.cell_rows))

    @cached_property
    def signs(self) -> Floats:
        """Coefficients to contrasts, (pairs, coefficients): the first group less the second."""
        signs = np.zeros((len(self.pairs), self.matrix.shape[1]))
        at = np.arange(len(self.pairs))
        signs[at, self.pairs[:, 0]], signs[at, self.pairs[:, 1]] = 1.0, -1.0
        return signs

    @cached_property
    def freedom(self) -> int:
        return int(self.cell_rows.sum() - np.linalg.matrix_rank(self.matrix))

    @cached_property
    def comparable(self) -> NDArray[np.bool_]:
        """Whether a contrast is in the span of the rows, so that it does not hang on a choice of solution."""
        x = self.matrix
        span = np.linalg.pinv(x) @ x
        found: NDArray[np.bool_] = np.abs(self.signs @ span - self.signs).max(axis=1) < 1e-8
        return found

    def fit(self, rows: Floats) -> tuple[Floats, Floats, Floats]:
        """Return contrasts and their standard errors, (worlds, pairs), and Σ r² by stratum.

        `rows` are worlds × rows × features, the rows in the places of `features`.
        """
        sums = np.add.reduceat(rows, self.cells, axis=1)
        a, q, n, mean, size, mean2, cross, size2 = np.moveaxis(sums, 2, 0)
        off = a / q - self.overall
        width = q / n
        u = (mean - off * size) / width
        u2 = (mean2 - 2 * off * cross + off**2 * size2) / width**2
        level = off + u / self.cell_rows
        coefficients = level @ self.solution.T
        gap = off - coefficients @ self.matrix.T
        rss = u2 + 2 * gap * u + self.cell_rows * gap**2
        rss = np.stack(
            [rss[:, self.cell_stratum == s].sum(axis=1) for s in range(self.n_strata)], axis=1
        ).clip(min=0)
        contrast = coefficients @ self.signs.T
        return contrast, np.sqrt(self.variances(rss) @ self._weights), rss

    def variances(self, rss: Floats) -> Floats:
        """Return σ̂² by stratum, (worlds, strata); that of all strata where its own cannot be estimated."""
        own = self._own_freedom
        pooled = rss.sum(axis=1, keepdims=True) / own.sum()
        found = rss / np.maximum(own, 1e-9)
        return np.where((own > 1e-9) & (found > _NO_SHARE * pooled), found, pooled)

    def freedoms(self, variances: Floats) -> Floats:
        """Return the degrees of freedom of each contrast's variance, (pairs,)."""
        if self.n_strata == 1:
            return np.full(len(self.pairs), float(self.freedom))
        own = np.where(self._own_freedom > 1e-9, self._own_freedom, self._own_freedom.sum())
        parts = variances[:, None] * self._weights
        with np.errstate(divide="ignore", invalid="ignore"):
            found = parts.sum(axis=0) ** 2 / (parts**2 / own[:, None]).sum(axis=0)
        return np.where(np.isfinite(found), np.minimum(found, self.freedom), float(self.freedom))

    @cached_property
    def least_share(self) -> float:
        """Share of all arrangements of units within strata that are the observed one but for names.

        Groups of equal sizes in every stratum may trade all their units: the greatest T stays as it is.
        """
        sizes = np.zeros((len(self.groups), self.n_strata))
        sizes[self.cell_group, self.cell_stratum] = self.cell_rows
        log = gammaln(self.stratum_rows + 1).sum() - gammaln(sizes + 1).sum()
        _, alike = np.unique(sizes, axis=0, return_counts=True)
        return float(np.exp(min(0.0, gammaln(alike + 1).sum() - log)))

    def adjusted(self) -> Floats:
        """Return each group's rate at the composition of all rows."""
        sums = np.add.reduceat(self.features, self.cells, axis=0)
        off = sums[:, 0] / sums[:, 1] - self.overall
        u = (sums[:, 3] - off * sums[:, 4]) / (sums[:, 1] / sums[:, 2])
        coefficients = self.solution @ (off + u / self.cell_rows)
        shares = (self.stratum_rows / self.stratum_rows.sum())[1:]
        n_groups = len(self.groups)
        return np.asarray(self.overall + coefficients[:n_groups] + coefficients[n_groups:] @ shares)

    @cached_property
    def _own_freedom(self) -> Floats:
        """Σ(1 − h) by stratum."""
        leverage = np.einsum("ij,ji->i", self.matrix, self.solution / self.cell_rows)
        left = self.cell_rows * (1 - leverage)
        return sums_by(left, self.cell_stratum, self.n_strata)

    @cached_property
    def _weights(self) -> Floats:
        """Variance by stratum to variance by contrast, (strata, pairs)."""
        by_cell = (self.signs @ self.solution) ** 2 / self.cell_rows
        return np.stack(
            [by_cell[:, self.cell_stratum == s].sum(axis=1) for s in range(self.n_strata)], axis=0
        )


def _kinds(at: Ints, stratum: Ints, n: int) -> Ints:
    """Return a number for the set of strata that each of n units has prompts in."""
    inside = np.zeros((n, int(stratum.max()) + 1), dtype=bool)
    inside[at, stratum] = True
    kinds: Ints = np.unique(inside, axis=0, return_inverse=True)[1].reshape(-1)
    return kinds


def _ranks(features: Floats, index: Ints, n: int, other: Ints | None = None, n_other: int = 1) -> Ints:
    """Return a rank of each index by its sizes (largest first), then its sums: no name is in it."""
    sums = [sums_by(column, index, n) for column in features.T[::-1]]
    sizes = np.zeros((n, n_other))
    np.add.at(sizes, (index, np.zeros_like(index) if other is None else other), 1)
    keys = (*sums, *np.sort(sizes, axis=1).T)
    ranks = np.empty(n, dtype=np.int64)
    ranks[np.lexsort(keys)] = np.arange(n)
    return ranks
