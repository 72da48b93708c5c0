"""How far two groups lie apart in the distribution of a token's p, q or p − q, with units weighted equally.

Each unit brings the histogram of its tokens, scaled to 1, so that a term with many tokens says no more than
another. Whether a distance is large is judged by permuting whole units: tokens of one term resemble each
other, and a test that takes them as observations finds a difference in many studies without any.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specgap.stats.draws import chunks
from specgap.stats.layout import Floats, Ints

PERMUTATIONS = 9_999
#: Fewest permutations of a pair, and most labels drawn for it beyond that: 9,999 for up to 1,000 units.
FEWEST, MOST_LABELS = 999, 10_000_000
#: Keeps these draws apart from those of other tests with one seed.
_PURPOSE = 0xD157
#: A permuted world as far apart as the observed one but for rounding is as far apart.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class UnitHistograms:
    """Tokens of n units by bin: counts, float64 (n, quantities, bins), and the units' strata, int64 (n,).

    Every unit must have a token in every quantity.
    """

    counts: Floats
    stratum: Ints

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class Distances:
    """Between two groups; arrays have an entry per quantity."""

    #: In units of the quantity.
    wasserstein: Floats
    ks: Floats
    #: None where the groups share no stratum, so that nothing can be permuted.
    p_wasserstein: Floats | None
    p_ks: Floats | None
    permutations: int
    #: Units in strata that the other group lacks; no permutation moves them.
    n_fixed: int


def distribution(units: UnitHistograms) -> Floats:
    """Return the share of each bin, (quantities, bins), every unit counting the same."""
    shares: Floats = _shares(units.counts).mean(axis=0)
    return shares


def quantiles(shares: Floats, edges: Floats, levels: tuple[float, ...]) -> Floats:
    """Return the least value below which each of `levels` lies; values are taken as even within a bin.

    `shares` is (bins,), `edges` (bins + 1,), `levels` are above 0.

    >>> quantiles(np.array([0.5, 0.0, 0.5]), np.array([0.0, 1.0, 2.0, 3.0]), (0.25, 0.5, 0.75)).tolist()
    [0.5, 1.0, 2.5]
    """
    below = np.concatenate([[0.0], np.cumsum(shares)])
    # Rounding of the sum must not push a level into the next bin that holds anything.
    at = np.minimum(np.searchsorted(below[1:], np.asarray(levels) - 1e-12), np.flatnonzero(shares)[-1])
    within = np.clip((np.asarray(levels) - below[at]) / shares[at], 0.0, 1.0)
    found: Floats = edges[at] + within * (edges[at + 1] - edges[at])
    return found


def distances(
    a: UnitHistograms, b: UnitHistograms, edges: Floats, *, seed: int, permutations: int = PERMUTATIONS
) -> Distances:
    """Return how far two groups of one unit at least lie apart, with p-values from permuted units.

    `edges` is (quantities, bins + 1). Wasserstein-1 puts every token in the middle of its bin, so it is that
    of the tokens themselves within one bin's width; Kolmogorov–Smirnov is the largest gap at an edge, at most
    that of the tokens. Only the units of these two groups are permuted, within the strata that both have;
    p = (1 + # as far apart or farther) / (B + 1), never 0 (Phipson and Smyth 2010). No correction for the
    number of pairs. B is less than `permutations` (but `FEWEST` at least) for pairs of very many units. The
    p-values depend on neither the order of units nor the names of groups.
    """
    swap = _sizes(a, b) > _sizes(b, a)
    first, second = (b, a) if swap else (a, b)
    pool = _Pool.of(first, second)
    observed = _measured(pool.observed(), edges)
    n_draws = min(permutations, max(FEWEST, MOST_LABELS // len(pool.in_first)))
    wasserstein, ks = (values[0] for values in observed)
    n_fixed = int((~pool.movable).sum())
    if not pool.movable.any():
        return Distances(wasserstein, ks, None, None, 0, n_fixed)
    as_far = np.zeros((2, len(edges)), dtype=np.int64)
    for labels in _permuted(pool, seed, n_draws):
        drawn = _measured(pool.gap(labels), edges)
        as_far += [(d >= o - _ROUNDING).sum(axis=0) for d, o in zip(drawn, observed, strict=True)]
    p_wasserstein, p_ks = (1 + as_far) / (n_draws + 1)
    return Distances(wasserstein, ks, p_wasserstein, p_ks, n_draws, n_fixed)


@dataclass(frozen=True)
class _Pool:
    """Units of two groups by stratum and, within it, by content, so that draws know no names."""

    #: (units, quantities · (bins − 1)): shares up to each inner edge.
    features: Floats
    stratum: Ints
    in_first: NDArray[np.bool_]
    movable: NDArray[np.bool_]

    @classmethod
    def of(cls, first: UnitHistograms, second: UnitHistograms) -> "_Pool":
        counts, stratum = np.concatenate([first.counts, second.counts]), _strata(first, second)
        features = np.cumsum(_shares(counts), axis=2)[:, :, :-1].reshape(len(counts), -1)
        in_first = np.arange(len(counts)) < len(first)
        shared = np.intersect1d(first.stratum, second.stratum)
        marks = np.random.Generator(np.random.Philox(key=[0, _PURPOSE << 32])).random(features.shape[1])
        order = np.lexsort(((features * marks).sum(axis=1), stratum))
        return cls(features[order], stratum[order], in_first[order], np.isin(stratum, shared)[order])

    def gap(self, labels: NDArray[np.bool_]) -> Floats:
        """Return first − second of the groups' cumulated shares, (draws, features), by labels."""
        n = int(self.in_first.sum())
        rest = len(self.in_first) - n
        gap: Floats = labels @ self.features * (1 / n + 1 / rest) - self.features.sum(axis=0) / rest
        return gap

    def observed(self) -> Floats:
        """Return the same for who is in the first now, without BLAS: its threads move bits."""
        first, second = self.features[self.in_first], self.features[~self.in_first]
        gap: Floats = first.mean(axis=0) - second.mean(axis=0)
        return gap[None, :]


def _permuted(pool: _Pool, seed: int, permutations: int) -> Iterator[NDArray[np.bool_]]:
    bounds = [np.flatnonzero(pool.stratum == s)[[0, -1]] for s in np.unique(pool.stratum[pool.movable])]
    for rng, n_draws in chunks(permutations, max(pool.features.shape), seed=seed, purpose=_PURPOSE):
        keys = rng.random((n_draws, len(pool.in_first)))
        labels = np.tile(pool.in_first, (len(keys), 1))
        for low, last in bounds:
            part, n = keys[:, low : last + 1], int(pool.in_first[low : last + 1].sum())
            labels[:, low : last + 1] = part <= np.partition(part, n - 1, axis=1)[:, n - 1 : n]
        yield labels


def _measured(gap: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """Return Wasserstein-1 and Kolmogorov–Smirnov, each (draws, quantities)."""
    height = np.abs(gap).reshape(len(gap), len(edges), -1)
    middle = (edges[:, :-1] + edges[:, 1:]) / 2
    return np.einsum("dqb,qb->dq", height, np.diff(middle, axis=1)), height.max(axis=2)


def _shares(counts: Floats) -> Floats:
    shares: Floats = counts / counts.sum(axis=2, keepdims=True)
    return shares


def _strata(a: UnitHistograms, b: UnitHistograms) -> Ints:
    return np.concatenate([a.stratum, b.stratum])


def _sizes(one: UnitHistograms, other: UnitHistograms) -> tuple[int, ...]:
    """Return the group's number of units in each stratum of the two."""
    return tuple(int((one.stratum == s).sum()) for s in np.unique(_strata(one, other)))
