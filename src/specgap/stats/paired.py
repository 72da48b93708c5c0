"""How far two rates over the same prompts are apart, by group, with what a prompt does to both taken away.

R_a − R_b with R = ΣA / ΣQ over the prompts that both count. A prompt's share in its error is its share in
that of R_a less that in that of R_b (`specgap.stats.ratio`), so what is hard for both adds little. The two
intervals are those of `specgap.stats.intervals`, on the difference's own scale: *these terms* with prompts as
clusters and shares less their block's mean, *terms like these* with units as clusters, whose unequal numbers
of tokens cost degrees of freedom (`clusters.weighted_error`), since p-values are read far out in the tail.

The change against the others is the group's difference less that of all prompts outside the group: whether
going from b to a widens or closes the group's gap. Its error adds both over units, with Welch and
Satterthwaite's degrees of freedom. Where prompts are in several strata there is none: a group of more plurals
would have another change for that alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t
from statsmodels.stats.multitest import multipletests

from specgap.stats.clusters import (
    FEW_CLUSTERS,
    OWN_SPREAD,
    borrowed_error,
    by_unit,
    centred,
    clustered,
    divided,
    rates_of_units,
    weighted_error,
)
from specgap.stats.intervals import BORROWED, NO_INNER, NO_OUTER, Interval
from specgap.stats.layout import Floats, Ints, Layout, Sums, sums_by
from specgap.stats.ratio import ROUNDING, t_quantile

NOT_BOTH = "no prompt judged under both"
NO_SPREAD_INNER = "every prompt differs alike: no inner interval"
NO_SPREAD_OUTER = "every unit differs alike: no outer interval"
NO_OTHERS = "no interval of the change: too few units outside the group"
NO_CHANGE_OF_STRATA = "no change against others: prompts are in several strata"


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
    #: Two-sided, of the change.
    change_p: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Error:
    """Differences by group with their standard errors over prompts and units; inf where there is none."""

    value: Floats
    inner: Floats
    outer: Floats
    inner_freedom: Ints
    outer_freedom: Floats


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
    one_stratum = len(np.unique(layout.stratum)) < 2
    made = []
    for k, n_units in enumerate(layout.units_per_group.tolist()):
        outside = _outside(layout, a, b, prompt, k) if one_stratum else None
        one = _difference(found, k, int(n_prompts[k]), n_units, outside)
        said = () if one_stratum or one.value is None else (NO_CHANGE_OF_STRATA,)
        made.append(replace(one, notes=(*one.notes, *said)))
    return made


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
    outer, freedom = _over_units(layout, plain, of_units, (a, b))
    return _Error(value, clustered(inner, layout.group, n_prompts, ones), outer, n_prompts - 1, freedom)


def _over_units(
    layout: Layout, shares: Floats, of_units: Floats, both: tuple[Sums, Sums]
) -> tuple[Floats, Floats]:
    """Return the standard error over units by group, and its degrees of freedom; of few units borrowed."""
    pooled, few = borrowed_error(layout, of_units)
    outer, freedom = pooled.copy(), np.full(len(pooled), float(few))
    weights = np.zeros(len(layout.unit_group))
    for sums in both:
        whole = by_unit(layout, sums.whole)
        weights += whole / sums_by(whole, layout.unit_group, len(pooled))[layout.unit_group] / len(both)
    summed = by_unit(layout, shares)
    for k in np.flatnonzero(layout.units_per_group >= OWN_SPREAD):
        own = layout.unit_group == k
        outer[k], freedom[k] = weighted_error(summed[own], weights[own])
    return outer, freedom


def _difference(found: _Error, k: int, n_prompts: int, n_units: int, outside: _Error | None) -> Difference:
    if not n_prompts:
        return Difference(None, 0, 0, None, None, None, None, None, None, (NOT_BOTH,))
    value, se, freedom = float(found.value[k]), float(found.outer[k]), float(found.outer_freedom[k])
    these, said = _interval(
        value, float(found.inner[k]), int(found.inner_freedom[k]), (NO_INNER, NO_SPREAD_INNER)
    )
    like, said_outer = _interval(value, se, freedom, (NO_OUTER, NO_SPREAD_OUTER))
    notes = [*said, *said_outer]
    notes += [BORROWED] if n_units < OWN_SPREAD and like is not None else []
    notes += ["few clusters"] if n_units < FEW_CLUSTERS else []
    change, change_like, change_p = None, None, None
    if outside is not None:
        change = value - float(outside.value[0])
        # Without an error of its own the group's difference is not known to be without one.
        if like is not None:
            both = _sum_of((se, freedom), (float(outside.outer[0]), float(outside.outer_freedom[0])))
            change_like, said = _interval(change, *both, (NO_OTHERS, NO_SPREAD_OUTER), most=2.0)
            change_p = None if change_like is None else _two_sided(change, *both)
            notes += said
    p = None if like is None else _two_sided(value, se, freedom)
    said_once = tuple(dict.fromkeys(notes))
    return Difference(value, n_prompts, n_units, these, like, p, change, change_like, change_p, said_once)


def _two_sided(value: float, se: float, freedom: float) -> float:
    return float(2 * t.sf(abs(value) / se, freedom))


def _interval(
    value: float, se: float, freedom: float, missing: tuple[str, str], *, most: float = 1.0
) -> tuple[Interval | None, Sequence[str]]:
    """Return the interval, or None and why: too few clusters, or no spread between them.

    `most` is how large the estimate can be.
    """
    if not (freedom > 0 and np.isfinite(se)):
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


def _sum_of(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Return the error of the sum of two estimates, and its degrees of freedom (Welch–Satterthwaite)."""
    (first, n), (second, m) = one, other
    if not (n > 0 and m > 0 and np.isfinite(first + second)):
        return np.inf, 0
    squares = first**2 + second**2
    freedom = squares**2 / (first**4 / n + second**4 / m) if squares else 0
    return float(np.sqrt(squares)), float(freedom)
