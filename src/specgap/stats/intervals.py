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

from specgap.stats.clusters import (
    FEW_CLUSTERS,
    OWN_SPREAD,
    centred,
    clustered,
    divided,
    over_units,
    rates_of_units,
)
from specgap.stats.layout import Layout, Sums, sums_by
from specgap.stats.ratio import has_spread, log_bounds, pooled_effect, proportion_bounds

Scale = Literal["logit", "log"]

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
    values = divided(sums_by(part, layout.group, len(totals)), totals)
    residuals = part - values[layout.group] * whole
    n_prompts = np.bincount(layout.group, minlength=len(totals))
    inner = clustered(centred(residuals, layout.block), layout.group, n_prompts, totals)
    plain = clustered(residuals, layout.group, n_prompts, totals)
    outer, freedom = over_units(layout, residuals, rates_of_units(layout, part, whole), totals)
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
