"""A mixed model of prompts' rates as a cross-check: group and template fixed, term random (statsmodels).

It knows one spread of terms and one of prompts for all groups; the intervals of `specgap.stats.intervals` and
`gaps` assume neither. Nothing else rests on it, so whatever goes wrong is a note.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from specgap.stats.layout import Floats, Ints, Layout
from specgap.stats.ratio import t_quantile

#: Tried in turn; statsmodels' default, lbfgs, steps out to singular matrices.
_METHODS = ("bfgs", "powell")
#: statsmodels fits term by term, which takes minutes beyond.
MOST_UNITS = 1500
#: It is told points: it takes any variance below 0.01 for none.
_POINTS = 100.0
#: A variance that is none, as a share: of terms in that of prompts, and of prompts in the whole, below which
#: statsmodels' errors are off.
_NO_SPREAD = 1e-4


@dataclass(frozen=True)
class MarginalMean:
    """A group's mean rate over templates of equal weight; None where there is none, and `note` says why."""

    estimate: float | None
    se: float | None
    interval: tuple[float, float] | None
    n_units: int
    note: str


def marginal_means(rates: Floats, layout: Layout) -> list[MarginalMean]:
    """Return the mean of each group of `layout` by REML, with t of units − groups for the 95 % interval.

    `rates`, (n,), are the entries', each of weight 1, NaN where nothing was judged. A block is a template in
    a stratum, so that the mean is over strata too. Templates that the groups do not share are left out.
    """
    judged = ~np.isnan(rates)
    y, at = rates[judged], layout.kept(judged)
    units = at.units_per_group
    why_not = _refused(y, at)
    if why_not:
        return [_none(int(n), why_not if n else "nothing judged") for n in units]
    has = np.flatnonzero(units)
    design, marginal, notes = _design(at, has)
    fitted = _fitted(y * _POINTS, design, at.unit)
    if isinstance(fitted, str):
        return [_none(int(n), fitted if n else "nothing judged") for n in units]
    beta, covariance, said = fitted
    df = int(units.sum()) - len(has)
    means: list[MarginalMean] = [_none(0, "nothing judged") for _ in units]
    for group, row in zip(has.tolist(), marginal, strict=True):
        estimate, variance = float(row @ beta) / _POINTS, float(row @ covariance @ row) / _POINTS**2
        means[group] = _mean(estimate, variance, df, int(units[group]), [*notes, *said])
    return means


def _refused(y: Floats, at: Layout) -> str | None:
    """Return why there is nothing to fit."""
    n_units = len(np.unique(at.unit))
    if len(y) and not np.ptp(y):
        return "the rates do not vary"
    if not at.has_terms or n_units == len(at):
        return "no term with several prompts: no random term"
    if n_units > MOST_UNITS:
        return f"more than {MOST_UNITS} terms: not fitted"
    if n_units == len(np.unique(at.group)):
        return "one term in every group: no spread of terms"
    return None


def _none(n_units: int, note: str) -> MarginalMean:
    return MarginalMean(None, None, None, n_units, note)


def _design(at: Layout, groups: Ints) -> tuple[Floats, Floats, list[str]]:
    """Return the fixed columns, a row per group whose product with their effects is its mean, and notes."""
    is_group = (at.group[:, None] == groups).astype(np.float64)
    own = np.eye(len(groups))
    if at.block is None:
        return is_group, own, ["no templates named"]
    blocks = np.unique(at.block)
    is_block = (at.block[:, None] == blocks[1:]).astype(np.float64)
    both = np.hstack([is_group, is_block])
    if np.linalg.matrix_rank(both) < both.shape[1]:
        return is_group, own, ["templates left out: groups do not share them"]
    return both, np.hstack([own, np.full((len(groups), len(blocks) - 1), 1 / len(blocks))]), []


def _fitted(y: Floats, design: Floats, unit: Ints) -> tuple[Floats, Floats, list[str]] | str:
    """Return fixed effects, their covariance and notes; or why there are none."""
    # Its import takes a second and a half, which a layout without terms need not wait for.
    from statsmodels.regression.mixed_linear_model import MixedLM

    n, why = design.shape[1], ""
    for method in _METHODS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = MixedLM(y, design, groups=unit).fit(reml=True, method=method)
                beta, covariance = np.asarray(result.fe_params), np.asarray(result.cov_params())[:n, :n]
                spread = float(np.asarray(result.cov_re)[0, 0])
            except Exception as error:
                # Whatever it raises: singular matrices, overflow, arrays of length 0.
                why = f"not fitted: {type(error).__name__}"
                continue
        if result.converged and np.isfinite(beta).all() and np.isfinite(covariance).all():
            if float(result.scale) <= _NO_SPREAD * float(np.var(y)):
                return "not fitted: prompts of a term differ by their templates alone"
            none = spread <= _NO_SPREAD * float(result.scale)
            return beta, covariance, ["no spread of terms beyond that of prompts"] if none else []
        why = "not fitted: no convergence"
    return why


def _mean(estimate: float, variance: float, df: int, n_units: int, notes: list[str]) -> MarginalMean:
    if variance <= 0:
        return MarginalMean(estimate, None, None, n_units, "; ".join([*notes, "no spread"]))
    se = float(np.sqrt(variance))
    half = t_quantile(df) * se
    return MarginalMean(estimate, se, (estimate - half, estimate + half), n_units, "; ".join(notes))
