"""Least squares of units' values on group and stratum, for many worlds at once."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from specgap.stats.layout import Floats, Ints, Layout, Sums, kinds, sums_by
from specgap.stats.templates import levelled

#: Spread of a stratum's own, as a share of that of all, below which it is rounding.
_NO_SHARE = 1e-6


class NotEstimableError(ValueError):
    """Why there is no test: a phrase for a note."""


@dataclass(frozen=True)
class Design:
    """Units as rows, in an order that only their content decides, and least squares on them.

    Rows stand by stratum and group. Their features are A, Q, n, a, q, a², aq, q², g with n prompts of a unit,
    q = Q/n and a = A/n − R·q at the rate R of all rows: small numbers, so that sums of squares keep their
    digits. g is the variance that the unit's value has for its number of prompts, in units of the mean one of
    its stratum.
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
    #: Whether the two groups of each of `pairs` have templates in common, as far as any are named.
    joined: NDArray[np.bool_]
    #: A root of the covariance that cells have from not knowing what templates do to all, (cells, rank).
    template_root: Floats
    #: The same where templates are drawn at random, (cells, templates), and the degrees of freedom of that.
    drawn_root: Floats
    drawn_freedom: int

    @classmethod
    def of(cls, layout: Layout, sums: Sums) -> "Design":
        counted = sums.counted
        layout = layout.kept(counted)
        found = np.unique(layout.group)
        if len(found) < 2:
            raise NotEstimableError("fewer than two groups with judged tokens")
        whole = sums.whole[counted]
        level = levelled(layout, Sums(sums.part[counted], whole))
        part = level.part
        _, first, at = np.unique(layout.unit, return_index=True, return_inverse=True)
        n_rows = len(first)
        group = np.searchsorted(found, layout.group[first])
        stratum = kind = kinds(at, layout.stratum)
        n_strata = int(stratum.max()) + 1
        a, q, n = (sums_by(v, at, n_rows) for v in (part, whole, np.ones_like(whole)))
        overall = float(a.sum() / q.sum())
        mean, size = (a - overall * q) / n, q / n
        spread = _relative_variances((part - overall * whole) / whole.mean(), at, group, stratum)
        features = np.stack([a, q, n, mean, size, mean**2, mean * size, size**2, spread], axis=1)
        group_rank = _ranks(features, group, len(found), stratum, n_strata)
        stratum_rank = _ranks(features, stratum, n_strata)
        # Rows of equal content may change places: nothing that is computed knows which is which.
        content = (n, q, a)
        order = np.lexsort((*content, group_rank[group], stratum_rank[stratum]))
        pool = np.lexsort((*content, stratum_rank[stratum]))
        group, stratum = group[order], stratum[order]
        starts = np.flatnonzero(np.r_[True, (np.diff(group) != 0) | (np.diff(stratum) != 0)])
        by_stratum = np.flatnonzero(np.r_[True, np.diff(stratum) != 0])
        rows = np.diff(np.r_[starts, n_rows])
        cell = np.empty(n_rows, dtype=np.int64)
        cell[order] = np.repeat(np.arange(len(starts)), rows)
        weight = 1 / (n[at] * rows[cell[at]])
        design = cls(
            groups=found,
            features=features[order],
            pool=features[pool],
            bounds=np.r_[by_stratum, n_rows],
            cells=starts,
            cell_group=group[starts],
            cell_stratum=np.searchsorted(by_stratum, starts, side="right") - 1,
            cell_rows=rows,
            overall=overall,
            joined=level.joins(np.searchsorted(found, layout.group), kind[at], _all_pairs(len(found))),
            template_root=level.error(cell[at], weight),
            drawn_root=level.drawn(cell[at], weight),
            drawn_freedom=level.freedom,
        )
        design.check()
        return design

    def check(self) -> None:
        """Raise `NotEstimableError` where no pair can be compared, or no spread can be estimated."""
        if not self.comparable.any():
            raise NotEstimableError("no two groups have units with prompts in the same strata")
        if self.freedom < 1:
            raise NotEstimableError("one unit per group: no spread between units can be estimated")

    @cached_property
    def pairs(self) -> Ints:
        return _all_pairs(len(self.groups))

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
        """Return contrasts and their standard errors, (worlds, pairs), and σ̂² by stratum.

        `rows` are worlds × rows × features, the rows in the places of `features`.
        """
        sums = np.add.reduceat(rows, self.cells, axis=1)
        a, q, n, mean, size, mean2, cross, size2, spread = np.moveaxis(sums, 2, 0)
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
        variances = self._variances(rss, spread)
        by_cell = variances[:, self.cell_stratum] * spread / self.cell_rows**2
        return contrast, np.sqrt(by_cell @ self._squares.T), variances

    @cached_property
    def template_variance(self) -> Floats:
        """Variance of each contrast from not knowing what templates do to all, (pairs,).

        Where two groups have no templates in common, it is that of drawing theirs, too.
        """
        error, drawn = (
            np.square(self.signs @ self.solution @ root).sum(axis=1)
            for root in (self.template_root, self.drawn_root)
        )
        return np.asarray(error + np.where(self.joined, 0.0, drawn))

    def _variances(self, rss: Floats, spread: Floats) -> Floats:
        """Return σ̂² by stratum, (worlds, strata); that of all strata where its own cannot be estimated.

        `spread`, (worlds, cells), is Σ g: Σ r² of a cell is expected to be σ² Σ g (1 − h).
        """
        left = spread * (1 - self._leverage)
        own = np.stack([left[:, self.cell_stratum == s].sum(axis=1) for s in range(self.n_strata)], axis=1)
        pooled = rss.sum(axis=1, keepdims=True) / own.sum(axis=1, keepdims=True)
        found = rss / np.maximum(own, 1e-9)
        known = (self._own_freedom > 1e-9) & (found > _NO_SHARE * pooled)
        return np.asarray(np.where(known, found, pooled))

    def freedoms(self, variances: Floats) -> Floats:
        """Return the degrees of freedom of each contrast's variance, (pairs,)."""
        if self.n_strata == 1 and self.joined.all():
            return np.full(len(self.pairs), float(self.freedom))
        own = np.where(self._own_freedom > 1e-9, self._own_freedom, self._own_freedom.sum())
        spread = np.add.reduceat(self.features[:, 8], self.cells)
        by_cell = self._squares * (spread / self.cell_rows**2)
        weights = np.stack([by_cell[:, self.cell_stratum == s].sum(axis=1) for s in range(self.n_strata)])
        parts = variances[:, None] * weights
        if not self.joined.all():
            parts = np.vstack([parts, np.where(self.joined, 0.0, self.template_variance)])
            own = np.r_[own, max(self.drawn_freedom, 1)]
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
    def _leverage(self) -> Floats:
        """Leverage h of a row, by cell."""
        return np.asarray(np.einsum("ij,ji->i", self.matrix, self.solution / self.cell_rows))

    @cached_property
    def _own_freedom(self) -> Floats:
        """Σ(1 − h) by stratum."""
        return sums_by(self.cell_rows * (1 - self._leverage), self.cell_stratum, self.n_strata)

    @cached_property
    def _squares(self) -> Floats:
        """Variances of cell means to those of contrasts, (pairs, cells)."""
        return np.asarray((self.signs @ self.solution) ** 2)


def _all_pairs(n: int) -> Ints:
    return np.array(list(combinations(range(n), 2)), dtype=np.int64)


def _relative_variances(value: Floats, unit: Ints, group: Ints, stratum: Ints) -> Floats:
    """Return each unit's σ²_unit + σ²_prompt / n over the mean of its stratum, (units,): 1 for equal n.

    `value`, (n,), are prompts' rates, linearised; `unit` is dense, `group` and `stratum` are those of units.
    The two variances are those of moments: within units, and of units' means within cells less what is theirs
    by chance.
    """
    n_units = len(group)
    n = np.bincount(unit, minlength=n_units).astype(np.float64)
    if (n == n[0]).all():
        return np.ones(n_units)
    mean = sums_by(value, unit, n_units) / n
    within = float(np.square(value - mean[unit]).sum()) / (len(value) - n_units)
    cell = np.unique(np.stack([group, stratum]), axis=1, return_inverse=True)[1].reshape(-1)
    rows = np.bincount(cell)
    off = mean - (sums_by(mean, cell, len(rows)) / rows)[cell]
    # Of a unit in a cell of m, 1 − 1/m of its own variance is left, and on average as much of its chance.
    left = 1 - 1 / rows[cell]
    of_units = (float(np.square(off).sum()) - within * float((left / n).sum())) / max(float(left.sum()), 1.0)
    found = max(of_units, 0.0) + within / n
    if not found.any():
        return np.ones(n_units)
    sizes = np.bincount(stratum)
    scale: Floats = sums_by(found, stratum, len(sizes)) / np.maximum(sizes, 1)
    return np.asarray(found / scale[stratum])


def _ranks(features: Floats, index: Ints, n: int, other: Ints | None = None, n_other: int = 1) -> Ints:
    """Return a rank of each index by its sizes (largest first), then its sums: no name is in it."""
    sums = [sums_by(column, index, n) for column in features.T[::-1]]
    sizes = np.zeros((n, n_other))
    np.add.at(sizes, (index, np.zeros_like(index) if other is None else other), 1)
    keys = (*sums, *np.sort(sizes, axis=1).T)
    ranks = np.empty(n, dtype=np.int64)
    ranks[np.lexsort(keys)] = np.arange(n)
    return ranks
