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

    `shares` are those of the clusters in the error, `weights` add up to 1. The error is unbiased, and the
    degrees Satterthwaite's, where clusters are alike but for their weight (Bell & McCaffrey 2002); of equal
    weights they are those of `clustered`, and one less than there are clusters. Unequal ones have fewer: with
    as many a t would claim too much.
    """
    square = float((weights**2).sum())
    left = np.maximum(1 - 2 * weights + square, np.finfo(np.float64).tiny)
    c = weights**2 / left
    c0, c1, c2 = c.sum(), (c * weights).sum(), (c * weights**2).sum()
    apart = square**2 * c0**2 + 2 * c2 * c0 - 4 * square * c1 * c0 + 2 * c1**2
    trace = apart - (c**2 * (square - 2 * weights) ** 2).sum() + (c**2 * left**2).sum()
    return float(np.sqrt((shares**2 / left).sum())), float(square**2 / trace)


def by_unit(layout: Layout, values: Floats) -> Floats:
    """Return the sums of entries' values over each unit that has an entry."""
    return sums_by(values, layout.unit_at, len(layout.unit_group))


def rates_of_units(layout: Layout, part: Floats, whole: Floats) -> Floats:
    """Return the rate of each unit that has an entry."""
    return divided(by_unit(layout, part), by_unit(layout, whole))


def borrowed_error(layout: Layout, unit_rates: Floats) -> tuple[Floats, int]:
    """Return each group's standard error by the spread of all groups' units, and its degrees of freedom.

    It is the variance of `unit_rates` (as `rates_of_units` returns them) within groups.
    """
    n_units = layout.units_per_group
    mean = divided(sums_by(unit_rates, layout.unit_group, len(n_units)), n_units.astype(np.float64))
    freedom = int((n_units[n_units > 0] - 1).sum())
    spread = float(np.square(unit_rates - mean[layout.unit_group]).sum() / freedom) if freedom else np.inf
    return np.sqrt(spread / np.maximum(n_units, 1)), freedom


def over_units(layout: Layout, residuals: Floats, unit_rates: Floats, totals: Floats) -> tuple[Floats, Ints]:
    """Return the standard error over units by group, and its degrees of freedom.

    A group of fewer than `OWN_SPREAD` units has that of `borrowed_error`.
    """
    n_units = layout.units_per_group
    own = clustered(by_unit(layout, residuals), layout.unit_group, n_units, totals)
    pooled, freedom = borrowed_error(layout, unit_rates)
    borrows = n_units < OWN_SPREAD
    return np.where(borrows, pooled, own), np.where(borrows, freedom, n_units - 1)
