"""How far two rates over the same prompts are apart, by group, with what a prompt does to both taken away.

R_a − R_b with R = ΣA / ΣQ over the prompts that both count. A prompt's share in its error is its share in
that of R_a less that in that of R_b (`specgap.stats.ratio`), so what is hard for both adds little. The two
intervals are those of `specgap.stats.intervals`, on the difference's own scale: *these terms* with prompts as
clusters and shares less their block's mean, *terms like these* with units as clusters.

The change against the others is the group's difference less that of all prompts outside the group: whether
going from b to a widens or closes the group's gap. Its error adds both over units, with Welch and
Satterthwaite's degrees of freedom.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t
from statsmodels.stats.multitest import multipletests

from specgap.stats.clusters import (
    FEW_CLUSTERS,
    OWN_SPREAD,
    centred,
    clustered,
    divided,
    over_units,
    rates_of_units,
)
from specgap.stats.intervals import BORROWED, NO_INNER, NO_OUTER, Interval
from specgap.stats.layout import Floats, Ints, Layout, Sums, sums_by
from specgap.stats.ratio import ROUNDING, t_quantile

NOT_BOTH = "no prompt judged under both"
NO_SPREAD_INNER = "every prompt differs alike: no inner interval"
NO_SPREAD_OUTER = "every unit differs alike: no outer interval"
NO_OTHERS = "no interval of the change: too few units outside the group"


@dataclass(frozen=True)
class Difference:
    """R_a − R_b of one group. `value` is None where no prompt counts for both; notes say what is missing."""

    value: float | None
    n_prompts: int
    n_units: int
    these: Interval | None
    like: Interval | None
    #: Two-sided, of the outer interval's t.
    p: float | None
    #: `value` less that of all prompts outside the group, with its outer interval.
    change: float | None
    change_like: Interval | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Error:
    """Differences by group with their standard errors over prompts and units; inf where there is none."""

    value: Floats
    inner: Floats
    outer: Floats
    inner_freedom: Ints
    outer_freedom: Ints


def differences(layout: Layout, a: Sums, b: Sums, prompt: Ints) -> list[Difference]:
    """Return each group's difference, in the order of `layout.groups`.

    `prompt` numbers the prompts of the entries, (n,): one that stands in several groups counts once among the
    others. Entries that do not count for both rates are left out of both.
    """
    both = a.counted & b.counted
    layout, prompt = layout.kept(both), prompt[both]
    a, b = (Sums(sums.part[both], sums.whole[both]) for sums in (a, b))
    found = _errors(layout, a, b)
    n_prompts = np.bincount(layout.group, minlength=len(layout.groups))
    return [
        _difference(found, k, int(n_prompts[k]), n_units, _outside(layout, a, b, prompt, k))
        for k, n_units in enumerate(layout.units_per_group.tolist())
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for all of them at once (Holm 1979); one that is missing stays so.

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    known = [p for p in p_values if p is not None]
    adjusted = iter(multipletests(known, method="holm")[1].tolist() if known else [])
    return [None if p is None else next(adjusted) for p in p_values]


def _errors(layout: Layout, a: Sums, b: Sums) -> _Error:
    n, ones = len(layout.groups), np.ones(len(layout.groups))
    n_prompts = np.bincount(layout.group, minlength=n)
    # Block means are taken of residuals: shares of a small group and of a large one are on two scales.
    plain, inner, value = np.zeros(len(layout)), np.zeros(len(layout)), np.zeros(n)
    for sign, sums in ((1, a), (-1, b)):
        totals = sums_by(sums.whole, layout.group, n)
        rate = divided(sums_by(sums.part, layout.group, n), totals)
        residuals = sums.part - rate[layout.group] * sums.whole
        value += sign * rate
        plain += sign * residuals / totals[layout.group]
        inner += sign * centred(residuals, layout.block) / totals[layout.group]
    of_units = rates_of_units(layout, a.part, a.whole) - rates_of_units(layout, b.part, b.whole)
    outer, freedom = over_units(layout, plain, of_units, ones)
    return _Error(value, clustered(inner, layout.group, n_prompts, ones), outer, n_prompts - 1, freedom)


def _difference(found: _Error, k: int, n_prompts: int, n_units: int, outside: _Error | None) -> Difference:
    if not n_prompts:
        return Difference(None, 0, 0, None, None, None, None, None, (NOT_BOTH,))
    value, se, freedom = float(found.value[k]), float(found.outer[k]), int(found.outer_freedom[k])
    these, said = _interval(
        value, float(found.inner[k]), int(found.inner_freedom[k]), (NO_INNER, NO_SPREAD_INNER)
    )
    like, said_outer = _interval(value, se, freedom, (NO_OUTER, NO_SPREAD_OUTER))
    notes = [*said, *said_outer]
    notes += [BORROWED] if n_units < OWN_SPREAD and like is not None else []
    notes += ["few clusters"] if n_units < FEW_CLUSTERS else []
    change, change_like = None, None
    if outside is not None:
        change = value - float(outside.value[0])
        errors = (se, freedom), (float(outside.outer[0]), int(outside.outer_freedom[0]))
        change_like, said = _interval(change, *_sum_of(*errors), (NO_OTHERS, NO_SPREAD_OUTER), most=2.0)
        notes += said if like is not None else []
    p = None if like is None else float(2 * t.sf(abs(value) / se, freedom))
    said_once = tuple(dict.fromkeys(notes))
    return Difference(value, n_prompts, n_units, these, like, p, change, change_like, said_once)


def _interval(
    value: float, se: float, freedom: float, missing: tuple[str, str], *, most: float = 1.0
) -> tuple[Interval | None, Sequence[str]]:
    """Return the interval, or None and why: too few clusters, or no spread between them.

    `most` is how large the estimate can be.
    """
    if freedom < 1 or not np.isfinite(se):
        return None, missing[:1]
    if se <= ROUNDING:
        return None, missing[1:]
    half = t_quantile(freedom) * se
    return Interval(max(value - half, -most), min(value + half, most), se), ()


def _outside(layout: Layout, a: Sums, b: Sums, prompt: Ints, k: int) -> _Error | None:
    """Return the difference over all prompts outside of a group, each once; None where there are none."""
    others = np.flatnonzero(~np.isin(prompt, prompt[layout.group == k]))
    if not len(others):
        return None
    kept = np.sort(others[np.unique(prompt[others], return_index=True)[1]])
    pooled = replace(
        layout,
        groups=("others",),
        group=np.zeros_like(kept),
        stratum=layout.stratum[kept],
        unit=layout.unit[kept],
        block=None if layout.block is None else layout.block[kept],
    )
    return _errors(pooled, *(Sums(sums.part[kept], sums.whole[kept]) for sums in (a, b)))


def _sum_of(one: tuple[float, int], other: tuple[float, int]) -> tuple[float, float]:
    """Return the error of the sum of two estimates, and its degrees of freedom (Welch–Satterthwaite)."""
    (first, n), (second, m) = one, other
    if n < 1 or m < 1 or not np.isfinite(first + second):
        return np.inf, 0
    squares = first**2 + second**2
    freedom = squares**2 / (first**4 / n + second**4 / m) if squares else 0
    return float(np.sqrt(squares)), float(freedom)
