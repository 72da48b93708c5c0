"""REML for rates with group fixed and prompt, term and template random, in time linear in the prompts.

Samples enter as each prompt's mean and the spread around it. Contrasts within a prompt know σ²_sample alone,
so the restricted likelihood of all rows is, exactly and whatever the numbers of samples, that of the prompt
means, with D = σ²_prompt + σ²_sample / n, times that of the contrasts. Terms lie in one group each and leave
by a rank-one update per term (Woodbury's); groups and templates, some dozens, stay as one dense matrix
(Patterson & Thompson 1971; Searle, Casella & McCulloch 1992, chapter 6).

Sums over prompts and terms are NumPy's own (`einsum`, `sum`): BLAS adds in another order with more threads.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, root

from specgap.stats.layout import Floats, Ints, sums_by

#: Order of the variances everywhere in this module.
RANDOM = ("sample", "prompt", "term", "template")
#: The least noise, as a share of the spread: without any the likelihood is infinite, and with less the
#: equations are singular but for rounding.
_FLOOR = 1e-8
#: A variance of rates that is rounding alone.
_NOTHING = 1e-24
#: How far, in the logarithm of a variance, the last digits may lie from the optimiser's.
_NEAR = 1e-3
#: More than any variance is, in units of the spread.
_MOST = 1e6
#: Minus a log-likelihood that no data have.
_WORST = 1e300


@dataclass(frozen=True)
class PromptMeans:
    """Prompts in n entries; indices are dense from 0, (n,).

    `mean` is the mean rate over `n_samples`; `within` the sum of squares around the means, on `within_df`
    degrees of freedom. A component that is left out of a fit may have any index.
    """

    group: Ints
    unit: Ints
    block: Ints
    mean: Floats
    n_samples: Ints
    within: float
    within_df: int


@dataclass(frozen=True)
class Fit:
    """Variances in the order of `RANDOM` (0 where left out) and the fitted mean of each group."""

    variances: Floats
    group_means: Floats


def fit_variances(data: PromptMeans, *, free: NDArray[np.bool_]) -> Fit:
    """Return the REML estimates of the variances that are `free`, (4,); the others are 0. None is negative.

    The layout must be able to tell apart those that are free. With neither sample nor prompt free, nothing is
    fitted.
    """
    n_of_group = np.bincount(data.group)
    means = np.bincount(data.group, weights=data.mean) / n_of_group
    spread = float(np.square(data.mean - means[data.group]).sum()) + data.within
    df = len(data.mean) - len(n_of_group) + data.within_df
    if spread <= _NOTHING * df or not free[:2].any():
        return Fit(np.zeros(4), means)
    unit = np.sqrt(spread / df)
    # Numbers near 1 and a mean near 0: the stopping rule and the last digits of y'Py rest on both.
    scaled = replace(data, mean=(data.mean - means.mean()) / unit, within=data.within / unit**2)
    variances = _most_likely(scaled, free)
    fixed = _at(scaled, variances).group_means
    return Fit(variances * unit**2, fixed * unit + means.mean())


def _most_likely(data: PromptMeans, free: NDArray[np.bool_]) -> Floats:
    def objective(part: Floats) -> tuple[float, Floats]:
        try:
            at = _at(data, _spread(part, free))
        except np.linalg.LinAlgError:
            # Almost no noise: the equations are singular but for rounding. The search turns back.
            return _WORST, np.zeros(int(free.sum()))
        return at.value, at.gradient[free]

    lower = np.where(np.arange(4) == (0 if free[0] else 1), _FLOOR, 0.0)
    # Two starts, since which variances are 0 may depend on where one comes from.
    starts = np.full(4, 1.0 / free.sum()), np.array([0.9, 0.9, 0.05, 0.05])
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}
    bounds = [(low, _MOST) for low in lower[free]]
    found = [
        minimize(objective, start[free], jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.fun))
    return _polished(data, _spread(best.x, free))


def _spread(part: Floats, free: NDArray[np.bool_]) -> Floats:
    whole = np.zeros(4)
    whole[free] = part
    return whole


def _polished(data: PromptMeans, variances: Floats) -> Floats:
    """Solve for a gradient of 0, since the likelihood itself, being flat there, gives six digits at most."""
    inside = variances > 10 * _FLOOR
    start = np.log(variances[inside])

    def moved(logs: Floats) -> Floats:
        whole = variances.copy()
        # What is far from the start is not taken, and must not overflow on the way.
        whole[inside] = np.exp(np.clip(logs, start - 1, start + 1))
        return whole

    def slopes(logs: Floats) -> Floats:
        whole = moved(logs)
        return np.asarray((_at(data, whole).gradient * whole)[inside])

    try:
        end = root(slopes, start, tol=1e-12).x
    except np.linalg.LinAlgError:
        return variances
    return moved(end) if np.abs(end - start).max(initial=0.0) < _NEAR else variances


@dataclass(frozen=True)
class _Point:
    value: float
    gradient: Floats
    group_means: Floats


@dataclass(frozen=True)
class _Solved:
    """The mixed model's equations at given variances; Q = [groups, templates] has so many columns."""

    #: 1 / D by prompt, and its sums by term.
    weight: Floats
    by_unit: Floats
    #: 1 / (1 + σ²_term · by_unit), and σ²_term times that.
    shrink: Floats
    update: Floats
    #: Sums of the weights by term and column of Q, (n_units, columns).
    columns: Floats
    #: Q' A⁻¹ Q, with A the covariance of the means without templates.
    normal: Floats
    #: The same in units of the templates' standard deviation, with what their being random adds.
    system: Floats
    #: Inverse of `system` in the rates' own units.
    inverse: Floats
    effects: Floats
    #: P y by prompt, with P what is left of V⁻¹ once the groups are fitted.
    py: Floats


def _solve(data: PromptMeans, variances: Floats) -> _Solved:
    sample, prompt, term, template = variances
    g, u, b, y = data.group, data.unit, data.block, data.mean
    n_groups, n_units, n_blocks = int(g.max()) + 1, int(u.max()) + 1, int(b.max()) + 1
    weight = 1 / (prompt + sample / data.n_samples)
    by_unit = sums_by(weight, u, n_units)
    columns = np.zeros((n_units, n_groups + n_blocks))
    columns[u, g] = by_unit[u]
    columns[:, n_groups:] = _table(u, b, weight, n_units, n_blocks)
    shrink = 1 / (1 + term * by_unit)
    update = term * shrink
    crossed = _table(g, b, weight, n_groups, n_blocks)
    normal = np.block([[np.diag(crossed.sum(axis=1)), crossed], [crossed.T, np.diag(crossed.sum(axis=0))]])
    normal -= np.einsum("ui,vi->uv", (columns * update[:, None]).T.copy(), columns.T.copy())
    right = np.concatenate([np.bincount(g, weights=weight * y), np.bincount(b, weights=weight * y)])
    right -= np.einsum("iu,i->u", columns, update * np.bincount(u, weights=weight * y))
    scale = np.outer(*[np.repeat([1.0, np.sqrt(template)], [n_groups, n_blocks])] * 2)
    system = normal * scale + np.diag(np.repeat([0.0, 1.0], [n_groups, n_blocks]))
    inverse = np.linalg.inv(system) * scale
    effects = inverse @ right
    rest = y - effects[g] - effects[n_groups + b]
    py = weight * (rest - (update * np.bincount(u, weights=weight * rest))[u])
    return _Solved(weight, by_unit, shrink, update, columns, normal, system, inverse, effects, py)


def _at(data: PromptMeans, variances: Floats) -> _Point:
    """Return minus the restricted log-likelihood at the variances, its gradient and the group means."""
    at, sample = _solve(data, variances), float(variances[0])
    value = np.linalg.slogdet(at.system)[1] - np.log(at.weight).sum() - np.log(at.shrink).sum()
    value += (data.mean * at.py).sum()
    contrasts = 0.0
    if data.within_df and sample:
        value += data.within_df * np.log(sample) + data.within / sample
        contrasts = data.within_df / sample - data.within / sample**2
    gradient = _traces(data, at) - _squares(data, at.py) + np.array([contrasts, 0, 0, 0])
    n_groups = int(data.group.max()) + 1
    return _Point(float(value) / 2, gradient / 2, at.effects[:n_groups])


def _squares(data: PromptMeans, py: Floats) -> Floats:
    """Return y' P V P y for the matrix V of each component, (4,)."""
    terms, templates = (np.bincount(index, weights=py) for index in (data.unit, data.block))
    return np.array([(py**2 / data.n_samples).sum(), *((one**2).sum() for one in (py, terms, templates))])


def _traces(data: PromptMeans, at: _Solved) -> Floats:
    """Return tr(P V) for the matrix V of each component, (4,)."""
    g, u = data.group, data.unit
    n_groups = int(g.max()) + 1
    col, h = n_groups + data.block, at.inverse
    ch = at.columns @ h
    chc = (ch * at.columns).sum(axis=1)
    # A prompt's row of A⁻¹Q is w (Q_i − update · its term's columns); Q_i is 1 in two places.
    own = h[g, g] + 2 * h[g, col] + h[col, col]
    update = at.update[u]
    leverage = own - 2 * update * (ch[u, g] + ch[u, col]) + update**2 * chc[u]
    diagonal = at.weight - at.weight**2 * (update + leverage)
    of_terms = (at.by_unit * at.shrink - at.shrink**2 * chc).sum()
    of_templates = np.trace((at.normal - at.normal @ h @ at.normal)[n_groups:, n_groups:])
    return np.array([(diagonal / data.n_samples).sum(), diagonal.sum(), of_terms, of_templates])


def _table(rows: Ints, columns: Ints, weights: Floats, n_rows: int, n_columns: int) -> Floats:
    return sums_by(weights, rows * n_columns + columns, n_rows * n_columns).reshape(n_rows, n_columns)
