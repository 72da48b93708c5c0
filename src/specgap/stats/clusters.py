"""Standard errors of groups from residuals of their prompts: over prompts, and over units.

A residual is a prompt's share in the error of a group's estimate, times what `totals` divides by. Shares of
two estimates over the same prompts may be subtracted first, which pairs them (`specgap.stats.paired`).
"""

import numpy as np

from specgap.stats.layout import Floats, Ints, Layout, sums_by

#: Groups with fewer units borrow their spread.
OWN_SPREAD = 3
#: Fewer clusters than this are noted.
FEW_CLUSTERS = 20


def divided(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def centred(residuals: Floats, block: Ints | None) -> Floats:
    """Return residuals less their block's mean over all groups, with the variance that its estimation takes.

    An entry that is alone in its block keeps its residual.
    """
    if block is None or not len(block):
        return residuals
    n = np.bincount(block)
    means = sums_by(residuals, block, len(n)) / np.maximum(n, 1)
    lost = np.sqrt(n / np.maximum(n - 1, 1))
    return np.where(n > 1, lost, 1.0)[block] * (residuals - np.where(n > 1, means, 0.0)[block])


def clustered(residuals: Floats, index: Ints, n: Ints, totals: Floats) -> Floats:
    """Return the standard error of each group from the residuals of its clusters; inf for fewer than two."""
    squares = sums_by(np.square(residuals), index, len(totals))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(n / (n - 1) * squares) / totals
    return np.where(n > 1, found, np.inf)


def weighted_error(shares: Floats, weights: Floats) -> tuple[float, float]:
    """Return the standard error of a mean over clusters that weigh unequally, and its degrees of freedom.

    `shares` are those of the clusters in the error, `weights` add up to 1. The error is
    unbiased, and the degrees Satterthwaite's, where clusters are alike but for their weight (Bell & McCaffrey
    2002); of equal weights they are those of `clustered`, and one less than there are clusters. Unequal ones
    have fewer: with as many a t would claim too much.
    """
    square = float((weights**2).sum())
    left = np.maximum(1 - 2 * weights + square, np.finfo(np.float64).tiny)
    c = weights**2 / left
    c0, c1, c2 = c.sum(), (c * weights).sum(), (c * weights**2).sum()
    apart = square**2 * c0**2 + 2 * c2 * c0 - 4 * square * c1 * c0 + 2 * c1**2
    trace = apart - (c**2 * (square - 2 * weights) ** 2).sum() + (c**2 * left**2).sum()
    return float(np.sqrt((shares**2 / left).sum())), float(square**2 / trace)


def rates_of_units(layout: Layout, part: Floats, whole: Floats) -> Floats:
    """Return the rate of each unit that has an entry, by number of unit."""
    units, at = np.unique(layout.unit, return_inverse=True)
    return divided(sums_by(part, at, len(units)), sums_by(whole, at, len(units)))


def over_units(layout: Layout, residuals: Floats, unit_rates: Floats, totals: Floats) -> tuple[Floats, Ints]:
    """Return the standard error over units by group, and its degrees of freedom.

    A group of fewer than `OWN_SPREAD` units borrows the variance of `unit_rates` (as `rates_of_units` returns
    them) within all groups.
    """
    n_units = layout.units_per_group
    units, at = np.unique(layout.unit, return_inverse=True)
    group = np.zeros(len(units), dtype=np.int64)
    group[at] = layout.group
    own = clustered(sums_by(residuals, at, len(units)), group, n_units, totals)
    mean = divided(sums_by(unit_rates, group, len(totals)), n_units.astype(np.float64))
    freedom = (n_units[n_units > 0] - 1).sum()
    spread = float(np.square(unit_rates - mean[group]).sum() / freedom) if freedom else np.inf
    borrowed = n_units < OWN_SPREAD
    pooled = np.sqrt(spread / np.maximum(n_units, 1))
    return np.where(borrowed, pooled, own), np.where(borrowed, freedom, n_units - 1)
