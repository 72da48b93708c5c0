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

from specgap.stats.layout import Floats, Ints, Layout, Sums, sums_by
from specgap.stats.ratio import has_spread, log_bounds, pooled_effect, proportion_bounds

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
    totals = sums_by(whole, layout.group, len(layout.groups))
    values = _divided(sums_by(part, layout.group, len(totals)), totals)
    residuals = part - values[layout.group] * whole
    n_prompts = np.bincount(layout.group, minlength=len(totals))
    inner = _clustered(_centred(residuals, layout.block), layout.group, n_prompts, totals)
    plain = _clustered(residuals, layout.group, n_prompts, totals)
    outer, freedom = _outer(layout, part, whole, residuals, totals)
    # What a token is worth where a group has no spread of its own: over prompts, and over units.
    worth = [pooled_effect(values, ses, totals) if scale == "logit" else 1.0 for ses in (plain, outer)]
    found = []
    for k, n_units in enumerate(layout.units_per_group.tolist()):
        if not totals[k]:
            found.append(Rate(None, 0.0, 0, 0, None, None, None, ()))
            continue
        one = _Point(float(values[k]), float(totals[k]), scale)
        these, said_inner = one.interval(inner[k], int(n_prompts[k]) - 1, worth[0], NO_INNER)
        like, said_outer = one.interval(outer[k], int(freedom[k]), max(worth), NO_OUTER)
        notes = [*said_inner, *said_outer]
        if n_units < OWN_SPREAD and like is not None and NO_SPREAD not in notes:
            notes.append(BORROWED)
        if n_units < FEW_CLUSTERS:
            notes.append("few clusters")
        effect = one.design_effect(plain[k])
        said = tuple(dict.fromkeys(notes))
        found.append(Rate(one.value, one.whole, int(n_prompts[k]), n_units, these, like, effect, said))
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

    def design_effect(self, se: float) -> float | None:
        """Return SE² / SE² of independent tokens, where that is one of a proportion."""
        if self.scale == "log" or not (0 < self.value < 1 and np.isfinite(se)):
            return None
        return float(se**2 / (self.value * (1 - self.value) / self.whole))

    def interval(
        self, se: float, freedom: int, worth: float, missing: str
    ) -> tuple[Interval | None, Sequence[str]]:
        """Return the interval, or None, and what there is to say about it.

        `worth` is the number of tokens that count as one where there is no spread to go by.
        """
        if freedom < 1 or not np.isfinite(se):
            return None, [missing]
        if self.scale == "log":
            if not (se > 0 and self.value > 0):
                return None, [NOTHING_LEFT]
            return Interval(*log_bounds(self.value, se, freedom), se), ()
        spread = has_spread(self.value, se)
        bounds = proportion_bounds(self.value, se, freedom, self.whole / worth)
        return Interval(*bounds, se if spread else 0.0), () if spread else [NO_SPREAD]


def _divided(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _centred(residuals: Floats, block: Ints | None) -> Floats:
    """Return residuals less their block's mean over all groups, with the variance that its estimation takes.

    An entry that is alone in its block keeps its residual.
    """
    if block is None or not len(block):
        return residuals
    n = np.bincount(block)
    means = sums_by(residuals, block, len(n)) / np.maximum(n, 1)
    lost = np.sqrt(n / np.maximum(n - 1, 1))
    return np.where(n > 1, lost, 1.0)[block] * (residuals - np.where(n > 1, means, 0.0)[block])


def _clustered(residuals: Floats, index: Ints, n: Ints, totals: Floats) -> Floats:
    """Return the standard error of each group from the residuals of its clusters; inf for fewer than two."""
    squares = sums_by(np.square(residuals), index, len(totals))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(n / (n - 1) * squares) / totals
    return np.where(n > 1, found, np.inf)


def _outer(
    layout: Layout, part: Floats, whole: Floats, residuals: Floats, totals: Floats
) -> tuple[Floats, Ints]:
    """Return the standard error over units by group, and its degrees of freedom."""
    n_units = layout.units_per_group
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
    return np.where(borrowed, pooled, own), np.where(borrowed, freedom, n_units - 1)
