"""How small a gap would have been found, and how many units per group a given gap needs.

A gap between two groups is found when its simultaneous interval leaves 0 out: |t| > q / √2 with the
studentised range of all K groups. With a true gap δ, t is noncentral with δ / se (Cohen 1988, §2; Hayter 1984
for groups of unequal size): se is the contrast's own for two groups of this study, and se² = 2σ²/m for groups
of m units each in another one, with σ² the spread of units measured so far.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm
from statsmodels.stats.libqsturng import qsturng

from specgap.stats.gaps import Gaps
from specgap.stats.layout import Floats
from specgap.stats.ratio import LEVEL

POWER = 0.8
#: Units per group for which a gap is given.
GRID = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200)
#: Equally likely values over which a power is averaged.
_STEPS = 2000
#: Degrees of freedom that are whole but for rounding are whole.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Spread:
    """What power rests on: variance of a unit's rate within groups, number of groups, number of strata."""

    variance: float
    n_groups: int
    n_strata: int

    @classmethod
    def of(cls, found: Gaps) -> "Spread":
        """Return the spread that a test has measured, strata weighted by their units."""
        variance = float(found.variances @ found.stratum_shares)
        return cls(variance, len(found.groups), len(found.variances))

    def detectable(self, n_units: float) -> float | None:
        """Return the smallest gap between two groups of so many units found with 80 % power.

        All groups are taken to have as many. None where they leave fewer than two degrees of freedom.
        """
        freedom = self.n_groups * n_units - self.n_groups - self.n_strata + 1
        return self.between(n_units, n_units, freedom)

    def between(self, n_units: float, n_others: float, freedom: float) -> float | None:
        """Return the same between a group of so many units and one of as many others.

        `freedom` is that of the whole study's variance. None where it is below two.
        """
        if freedom < 2:
            return None
        se = math.sqrt(self.variance * (1 / n_units + 1 / n_others))
        return noncentrality(self.n_groups, freedom) * se

    def needed(self, gap: float, *, most: int = 100_000) -> int | None:
        """Return how many units per group find a gap with 80 % power; None for more than `most`."""
        low, high = 2, most
        if (self.detectable(high) or math.inf) > gap:
            return None
        while low < high:
            middle = (low + high) // 2
            found = self.detectable(middle)
            low, high = (low, middle) if found is not None and found <= gap else (middle + 1, high)
        return low


def detectable(found: Gaps) -> Floats:
    """Return for each pair the smallest gap between these two groups found with 80 % power, (pairs,).

    It goes by the pair's own standard error, hence by the sizes of the two and the strata they are in. NaN
    where they are not comparable or their error has fewer than two degrees of freedom.
    """
    # Whole degrees of freedom, rounded down: many pairs share them, and each costs a search.
    freedoms = np.floor(found.freedoms + _ROUNDING)
    known = found.comparable & (freedoms >= 2)
    sizes = [
        noncentrality(len(found.groups), df) if ok else math.nan
        for df, ok in zip(freedoms, known, strict=True)
    ]
    return np.asarray(sizes, dtype=np.float64) * found.se


def power(gap: float, se: float, n_groups: int, freedom: float) -> float:
    """Return how often a true gap is found whose difference has this standard error."""
    return _found(gap / se, critical(n_groups, freedom), freedom)


@cache
def noncentrality(n_groups: int, freedom: float) -> float:
    """Return the true gap, in standard errors of a difference, that is found with 80 % power."""
    limit = critical(n_groups, freedom)
    return float(brentq(lambda size: _found(size, limit, freedom) - POWER, 0, 3 * limit + 10, xtol=1e-6))


@cache
def critical(n_groups: int, freedom: float) -> float:
    """Return q / √2: how many standard errors from 0 a difference has to be.

    Gleason's approximation (1999), as statsmodels has it, is within a thousandth and 200 times as fast as the
    integral that the intervals themselves use.
    """
    return float(qsturng(LEVEL, n_groups, freedom) / math.sqrt(2))


def _found(size: float, limit: float, freedom: float) -> float:
    """Return P(|t| > limit) of a noncentral t: a normal over the root of a χ² / df, at equally likely values.

    SciPy's own is NaN for some noncentralities.
    """
    spread = np.sqrt(chi2.ppf((np.arange(_STEPS) + 0.5) / _STEPS, freedom) / freedom)
    return float((norm.sf(limit * spread - size) + norm.cdf(-limit * spread - size)).mean())
