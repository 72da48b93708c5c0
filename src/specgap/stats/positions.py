"""Acceptance along a draft: bands of h_j = accepted at j / judged at j, and rates at one mix of positions.

γ decides how many tokens are judged at each position, so that groups under different γ are compared by
direct standardisation: α_k = Σ_j w_j h_kj, with w_j the pooled share of judged tokens at j over the positions
that all groups reach. The weights are the standard, not an estimate, so a unit's share in the error of α_k is
Σ_j w_j (A_uj − h_kj Q_uj) / Q_kj, and SE² = m / (m − 1) · Σ share² over m units, as for one rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specgap.stats.layout import Floats, Ints
from specgap.stats.ratio import Ratio, design_effect, logit_interval, ratio_of

#: With fewer units at a position, no band.
LEAST_UNITS = 3
FEW_UNITS = f"no interval: fewer than {LEAST_UNITS} units"
#: Counts by entry and position, (n, positions), in any type of number.
Table = NDArray[np.int64] | NDArray[np.int32] | Floats


@dataclass(frozen=True)
class Band:
    """A rate, its 95 % interval, the units it rests on, and why something is None."""

    value: float | None
    interval: tuple[float, float] | None
    n_units: int
    note: str


def position_bands(judged: Table, accepted: Table, unit: Ints) -> list[Band]:
    """Return h_j of one group's entries for each position, with units as clusters and t of units − 1.

    `judged` and `accepted`, (n, positions), are tokens of an entry at a position, its samples summed; `unit`,
    (n,), is any numbering. Units count at the positions where they have judged tokens. Where all or none
    were accepted the interval is Clopper and Pearson's, with the design effect of the other positions.

    >>> [band.value for band in position_bands(np.array([[4, 2]]), np.array([[3, 1]]), np.array([0]))]
    [0.75, 0.5]
    """
    q, a = by_unit(judged, unit), by_unit(accepted, unit)
    ratios = [ratio_of(a[q[:, j] > 0, j], q[q[:, j] > 0, j]) for j in range(q.shape[1])]
    effect = design_effect([r for r in ratios if len(r.shares) >= LEAST_UNITS])
    return [_band(ratio, effect) for ratio in ratios]


def by_unit(counts: Table, unit: Ints) -> Floats:
    """Return sums over the entries of each unit that has one, (units, positions)."""
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[order], prepend=unit[order][:1] - 1))
    if not len(unit):
        return np.zeros((0, counts.shape[1]))
    return np.add.reduceat(counts[order].astype(np.float64), starts, axis=0)


def _band(ratio: Ratio, effect: float) -> Band:
    n = len(ratio.shares)
    if ratio.value is None:
        return Band(None, None, 0, "nothing judged")
    if n < LEAST_UNITS:
        return Band(ratio.value, None, n, FEW_UNITS)
    return Band(ratio.value, logit_interval(ratio, effect=effect), n, "")


@dataclass(frozen=True)
class Standardised:
    """Each group's rate at one mix of positions, and that mix.

    `reached` are the positions (from 0) that all groups with judged tokens reach, `weights` their shares.
    """

    groups: list[Band]
    reached: Ints
    weights: Floats


def standardised_rates(groups: Sequence[tuple[Table, Table, Ints]]) -> Standardised:
    """Return the directly standardised rates of groups, each (judged, accepted, unit) as in `position_bands`.

    All tables have the same number of positions. A group with nothing judged has no rate and does not narrow
    the positions; with no position that all others reach no group has one.
    """
    summed = [(by_unit(judged, unit), by_unit(accepted, unit)) for judged, accepted, unit in groups]
    totals = np.array([q.sum(axis=0) for q, _ in summed]).reshape(len(summed), -1)
    some = totals.sum(axis=1) > 0
    reached = np.flatnonzero((totals[some] > 0).all(axis=0)) if some.any() else np.array([], dtype=np.int64)
    pooled = totals[:, reached].sum(axis=0)
    weights = pooled / pooled.sum() if len(reached) else pooled
    ratios = [_standardised(q[:, reached], a[:, reached], weights) for q, a in summed]
    effect = design_effect([r for r in ratios if len(r.shares) >= LEAST_UNITS])
    bands = [_band(ratio, effect) for ratio in ratios]
    if not len(reached):
        bands = [
            Band(None, None, 0, "no position in all groups" if has else "nothing judged") for has in some
        ]
    return Standardised(bands, reached, weights)


def _standardised(q: Floats, a: Floats, weights: Floats) -> Ratio:
    q, a = q[q.any(axis=1)], a[q.any(axis=1)]
    totals = q.sum(axis=0)
    if not len(q) or not totals.all():
        return Ratio(None, np.zeros(0), 0.0)
    rates = a.sum(axis=0) / totals
    shares = (a - rates * q) @ (weights / totals)
    # So many independent tokens would have the variance Σ w² h (1 − h) / Q of one rate.
    whole = 1 / float((weights**2 / totals).sum())
    value = float(rates[0]) if (rates == rates[0]).all() else float(rates @ weights)
    return Ratio(value, shares, whole)
