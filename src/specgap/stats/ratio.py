"""Ratios of sums over prompts with errors that take a prompt, not a token, as one observation.

R = ΣA / ΣQ with A and Q summed over a prompt's samples first. A prompt's share in the error of R is
(A − R·Q) / ΣQ, and SE² = G / (G − 1) · Σ share² over G prompts (Cochran 1977, §6; Binder 1983). Shares of two
ratios over the same prompts can be subtracted, which pairs them by prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta, t

from specgap.stats.layout import Floats

LEVEL = 0.95
#: A standard error below this is one of rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Ratio:
    """ΣA / ΣQ: its value, each prompt's share in its error, and ΣQ; value None where ΣQ is 0."""

    value: float | None
    shares: Floats
    whole: float

    @property
    def se(self) -> float | None:
        """Standard error clustered on prompts; None where it cannot be estimated."""
        return None if self.value is None else clustered_se(self.shares)


def ratio_of(part: Sequence[float] | Floats, whole: Sequence[float] | Floats) -> Ratio:
    """Return Σ part / Σ whole over prompts.

    >>> ratio_of([1, 3], [2, 4]).value
    0.6666666666666666
    """
    a, q = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    total = float(q.sum())
    if not total:
        return Ratio(None, np.zeros_like(q), 0.0)
    value = float(a.sum()) / total
    return Ratio(value, (a - value * q) / total, total)


def clustered_se(shares: Floats) -> float | None:
    """Return the standard error of an estimate from the shares of its clusters; None for fewer than two."""
    n = len(shares)
    return float(np.sqrt(n / (n - 1) * np.square(shares).sum())) if n > 1 else None


def design_effect(ratios: Sequence[Ratio]) -> float:
    """Return how many tokens count as one, over groups whose rate is neither 0 nor 1; 1 at least."""
    known = [r for r in ratios if r.value is not None and r.se is not None]
    columns = zip(*((r.value, r.se, r.whole) for r in known), strict=True) if known else ((), (), ())
    return pooled_effect(*(np.array(column, dtype=np.float64) for column in columns))


def pooled_effect(values: Floats, ses: Floats, wholes: Floats) -> float:
    """Return the same from the rates, their standard errors (inf where unknown) and their tokens."""
    used = (wholes > 0) & (values > 0) & (values < 1) & np.isfinite(ses)
    if not used.any():
        return 1.0
    independent = (values[used] * (1 - values[used]) / wholes[used]).sum()
    return float(max(1.0, np.square(ses[used]).sum() / independent))


def logit_interval(rate: Ratio, *, effect: float = 1.0) -> tuple[float, float] | None:
    """Return the 95 % interval of a rate: on the logit with t of G − 1, None for fewer than two prompts.

    Where the spread is 0 it is Clopper–Pearson's with ΣQ / `effect` tokens (Korn & Graubard 1998).
    """
    if rate.value is None or rate.se is None:
        return None
    return proportion_bounds(rate.value, rate.se, len(rate.shares) - 1, rate.whole / effect)


def log_interval(ratio: Ratio) -> tuple[float, float] | None:
    """Return the 95 % interval of a positive ratio: on the logarithm with t of G − 1."""
    if not ratio.value or ratio.se is None:
        return None
    return log_bounds(ratio.value, ratio.se, len(ratio.shares) - 1)


def proportion_bounds(value: float, se: float, freedom: int, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a proportion on the logit; of n tokens by themselves without a spread."""
    if not has_spread(value, se):
        return clopper_pearson(value, n)
    middle, half = logit(value), t_quantile(freedom) * se / (value * (1 - value))
    return float(expit(middle - half)), float(expit(middle + half))


def log_bounds(value: float, se: float, freedom: int) -> tuple[float, float]:
    """Return the 95 % interval of a positive number on the logarithm."""
    half = t_quantile(freedom) * se / value
    return float(value * np.exp(-half)), float(value * np.exp(half))


def has_spread(value: float, se: float) -> bool:
    """Return whether a proportion's error says anything: none of 0 or 1 does, nor one that is rounding."""
    return se > ROUNDING and 0 < value < 1


def t_quantile(freedom: float) -> float:
    """Return how many standard errors a 95 % interval reaches."""
    return float(t.ppf((1 + LEVEL) / 2, freedom))


def clopper_pearson(value: float, n: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a proportion of n independent trials (Clopper & Pearson 1934)."""
    hits, tail = value * n, (1 - LEVEL) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return low, high
