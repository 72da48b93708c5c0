"""The two intervals of a rate: over these terms, and over terms like these.

Of each group R = ΣA / ΣQ, with A and Q summed over the samples of a prompt. Both intervals are the delta
method's (Cochran 1977, §6) with residuals e = A − R·Q, on the logit or the logarithm, with t quantiles.

*These terms*: clusters are prompts, and residuals are taken from their block's mean over all groups, for
what a template does to every group is no uncertainty about one. *Terms like these*: clusters are units. A
group of one or two units has hardly a spread of its own, so it borrows that of all groups: SE² = s²/m with
s² the variance of unit rates within groups and t of Σ(m − 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t

from specgap.stats.layout import Floats, Ints, Layout, Sums, sums_by
from specgap.stats.ratio import LEVEL, clopper_pearson

Scale = Literal["logit", "log"]
#: Groups with fewer units borrow their spread.
OWN_SPREAD = 3
#: Fewer clusters than this are noted.
FEW_CLUSTERS = 20

BORROWED = "outer interval rests on other groups' spread"
NO_OUTER = "no outer interval: no group has two units"
NO_INNER = "no inner interval: one prompt"
NO_SPREAD = "no spread: interval of as many independent tokens as the other groups' are worth"
NOTHING_LEFT = "no spread between prompts: no interval"


@dataclass(frozen=True)
class Interval:
    """A 95 % interval and the standard error on the rate's own scale."""

    low: float
    high: float
    se: float


@dataclass(frozen=True)
class Rate:
    """One group's rate. `value` is None where there was nothing to divide by; notes say what is missing."""

    value: float | None
    whole: float
    n_prompts: int
    n_units: int
    these: Interval | None
    like: Interval | None
    #: SE² over prompts / SE² of independent tokens; None where the rate is 0 or 1, or is no proportion.
    design_effect: float | None
    notes: tuple[str, ...]


def rates(layout: Layout, sums: Sums, *, scale: Scale = "logit") -> list[Rate]:
    """Return each group's rate with both intervals, in the order of `layout.groups`.

    `sums` holds A and Q, (n,). Entries without a denominator are left out. `scale` is the one on which the
    intervals are symmetric: the logit for what lies in [0, 1], the logarithm for other positive ratios.
    """
    counted = sums.counted
    layout = layout.kept(counted)
    part, whole = sums.part[counted], sums.whole[counted]
    n_groups = len(layout.groups)
    totals = sums_by(whole, layout.group, n_groups)
    values = _divided(sums_by(part, layout.group, n_groups), totals)
    residuals = part - values[layout.group] * whole
    centred = residuals - _block_means(residuals, layout.block)
    n_prompts = np.bincount(layout.group, minlength=n_groups)
    n_units = layout.units_per_group
    inner = _clustered(centred, layout.group, n_prompts, totals)
    outer, borrowed = _outer(layout, part, whole, residuals, n_units, totals)
    plain = _clustered(residuals, layout.group, n_prompts, totals)
    tokens = _design_effect(values, plain, totals) if scale == "logit" else 1.0
    found = []
    for k in range(n_groups):
        if not totals[k]:
            found.append(Rate(None, 0.0, 0, 0, None, None, None, ()))
            continue
        one = _Point(float(values[k]), float(totals[k]), scale, tokens)
        these, said_inner = one.interval(inner[k], n_prompts[k] - 1, NO_INNER)
        freedom = int((n_units[n_units > 0] - 1).sum()) if borrowed[k] else n_units[k] - 1
        like, said_outer = one.interval(outer[k], freedom, NO_OUTER)
        notes = [*said_inner, *said_outer]
        if borrowed[k] and like is not None and NO_SPREAD not in notes:
            notes.append(BORROWED)
        if n_units[k] < FEW_CLUSTERS:
            notes.append("few clusters")
        effect = None
        if scale == "logit" and 0 < values[k] < 1 and np.isfinite(plain[k]):
            effect = float(plain[k] ** 2 / (values[k] * (1 - values[k]) / totals[k]))
        found.append(
            Rate(
                one.value,
                one.whole,
                int(n_prompts[k]),
                int(n_units[k]),
                these,
                like,
                effect,
                tuple(dict.fromkeys(notes)),
            )
        )
    return found


def each_prompt(sums: Sums) -> Sums:
    """Return sums whose ratio is the mean over prompts of each prompt's own rate."""
    counted = sums.counted
    own = np.divide(sums.part, sums.whole, out=np.zeros_like(sums.whole), where=counted)
    return Sums(own, counted.astype(np.float64))


@dataclass(frozen=True)
class _Point:
    value: float
    whole: float
    scale: Scale
    #: Tokens that count as one.
    effect: float

    def interval(self, se: float, freedom: int, missing: str) -> tuple[Interval | None, Sequence[str]]:
        """Return the interval, or None, and what there is to say about it."""
        if freedom < 1 or not np.isfinite(se):
            return None, [missing]
        if self.scale == "log":
            if not (se > 0 and self.value > 0):
                return None, [NOTHING_LEFT]
            factor = float(np.exp(_quantile(freedom) * se / self.value))
            return Interval(self.value / factor, self.value * factor, se), ()
        if se <= 1e-12 or self.value in (0.0, 1.0):
            return Interval(*clopper_pearson(self.value, self.whole / self.effect), 0.0), [NO_SPREAD]
        middle, half = logit(self.value), _quantile(freedom) * se / (self.value * (1 - self.value))
        return Interval(float(expit(middle - half)), float(expit(middle + half)), se), ()


def _quantile(freedom: int) -> float:
    return float(t.ppf((1 + LEVEL) / 2, freedom))


def _divided(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _block_means(residuals: Floats, block: Ints | None) -> Floats:
    """Return each entry's block mean over all groups; 0 where the block has no other entry."""
    if block is None or not len(block):
        return np.zeros_like(residuals)
    n = np.bincount(block)
    means = sums_by(residuals, block, len(n)) / np.maximum(n, 1)
    return np.where(n > 1, means, 0.0)[block]


def _clustered(residuals: Floats, index: Ints, n: Ints, totals: Floats) -> Floats:
    """Return the standard error of each group from the residuals of its clusters; inf for fewer than two."""
    squares = sums_by(np.square(residuals), index, len(totals))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(n / (n - 1) * squares) / totals
    return np.where(n > 1, found, np.inf)


def _outer(
    layout: Layout, part: Floats, whole: Floats, residuals: Floats, n_units: Ints, totals: Floats
) -> tuple[Floats, np.ndarray]:
    """Return the standard error over units by group, and which groups borrow other groups' spread."""
    units, at = np.unique(layout.unit, return_inverse=True)
    group = np.zeros(len(units), dtype=np.int64)
    group[at] = layout.group
    summed = sums_by(residuals, at, len(units))
    own = _clustered(summed, group, n_units, totals)
    rate = _divided(sums_by(part, at, len(units)), sums_by(whole, at, len(units)))
    mean = _divided(sums_by(rate, group, len(totals)), n_units.astype(np.float64))
    freedom = (n_units[n_units > 0] - 1).sum()
    spread = float(np.square(rate - mean[group]).sum() / freedom) if freedom else np.inf
    borrowed = n_units < OWN_SPREAD
    pooled = np.sqrt(spread / np.maximum(n_units, 1))
    return np.where(borrowed, pooled, own), borrowed


def _design_effect(values: Floats, ses: Floats, totals: Floats) -> float:
    """Return how many tokens count as one, over groups whose rate is neither 0 nor 1; 1 at least."""
    used = (totals > 0) & (values > 0) & (values < 1) & np.isfinite(ses)
    if not used.any():
        return 1.0
    independent = (values * (1 - values) / np.maximum(totals, 1e-300))[used].sum()
    return float(max(1.0, np.square(ses[used]).sum() / independent))
