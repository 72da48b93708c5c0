"""Which tokens a group uses more than the rest: weighted log-odds with an informative Dirichlet prior.

Monroe, Colaresi and Quinn (2008), "Fightin' Words", Political Analysis 16(4): the prior shrinks rare tokens
to the pooled frequencies, and dividing by the standard error keeps both rare and ubiquitous tokens from
leading. Their standard error takes tokens as observations; the interval here resamples units. Exploratory:
the tokens are chosen for their z.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specgap.stats.draws import AT_ONCE
from specgap.stats.layout import Floats, Ints
from specgap.stats.ratio import LEVEL

PRIOR_TOTAL = 500.0
DRAWS = 400
#: Keeps these draws apart from those of other tests with one seed.
_PURPOSE = 0xD157 + 1
#: Units that an interval needs on either side.
LEAST_UNITS = 3


@dataclass(frozen=True)
class TokenCounts:
    """How often a unit had a token: one entry per unit and token, each array int64 of shape (entries,).

    `unit` numbers the `n_units` units, those without any token too, and `token` the `n_tokens` tokens. Every
    token occurs.
    """

    unit: Ints
    token: Ints
    count: Ints
    n_units: int
    n_tokens: int

    def by_token(self, units: NDArray[np.bool_]) -> Floats:
        """Return each token's count in the chosen units, (n_tokens,)."""
        chosen = units[self.unit]
        counts = np.bincount(self.token[chosen], weights=self.count[chosen], minlength=self.n_tokens)
        return counts.astype(np.float64)

    def spread(self, token: int) -> Ints:
        """Return the token's count in each unit, (n_units,)."""
        at = self.token == token
        return np.bincount(self.unit[at], weights=self.count[at], minlength=self.n_units).astype(np.int64)


def log_odds(inside: Floats, rest: Floats, *, prior_total: float = PRIOR_TOTAL) -> tuple[Floats, Floats]:
    """Return the log-odds of each token, group against rest, and z, from counts of shape (n_tokens,).

    δ = log((y + α)/(n + α₀ − y − α)) − the same of the rest, (Monroe et al., equation 16), its variance
    1/(y + α) + 1/(y' + α) (equation 20), z = δ / √variance (equation 22), with α the pooled counts scaled to
    a total of `prior_total` (section 3.5). At least two tokens must occur, each on one side at least.

    >>> log_odds(np.array([5.0, 5.0]), np.array([5.0, 5.0]))[0].tolist()
    [0.0, 0.0]
    """
    prior = _prior(inside, rest, prior_total)
    delta = _logit(inside, inside.sum(), prior, prior_total) - _logit(rest, rest.sum(), prior, prior_total)
    return delta, delta / np.sqrt(1 / (inside + prior) + 1 / (rest + prior))


def log_odds_interval(
    counts: TokenCounts,
    inside: NDArray[np.bool_],
    tokens: Ints,
    *,
    seed: int,
    prior_total: float = PRIOR_TOTAL,
    draws: int = DRAWS,
) -> tuple[Floats, Floats] | None:
    """Return the 95 % percentile interval of the log-odds of `tokens`, (tokens,) each, by resampling units.

    `inside` says which units are the group's, (n_units,). The group's units and those of all others are drawn
    with replacement, apart, and the prior stays. None where either side has fewer than `LEAST_UNITS` units:
    resampled, two are often one twice. Neither the order of units nor names change a number.
    """
    if min(inside.sum(), (~inside).sum()) < LEAST_UNITS:
        return None
    prior = _prior(counts.by_token(inside), counts.by_token(~inside), prior_total)[tokens]
    rng = np.random.Generator(np.random.Philox(key=[seed, _PURPOSE << 32]))
    totals = np.bincount(counts.unit, weights=counts.count, minlength=counts.n_units)
    columns = np.stack([totals, *(counts.spread(int(token)) for token in tokens)], axis=1)
    order = _by_content(counts)
    sides = [columns[order][side[order]] for side in (inside, ~inside)]
    drawn = [_resampled(rng, side, draws) for side in sides]
    deltas = [_logit(side[:, 1:], side[:, :1], prior, prior_total) for side in drawn]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(deltas[0] - deltas[1], [tail, 1 - tail], axis=0)
    return low, high


def _prior(inside: Floats, rest: Floats, prior_total: float) -> Floats:
    pooled = inside + rest
    prior: Floats = pooled * (prior_total / pooled.sum())
    return prior


def _logit(count: Floats, total: Floats, prior: Floats, prior_total: float) -> Floats:
    with_prior = count + prior
    odds: Floats = np.log(with_prior / (total + prior_total - with_prior))
    return odds


def _resampled(rng: np.random.Generator, columns: Floats, draws: int) -> Floats:
    """Return the sums of the columns, (draws, columns), over as many units drawn with replacement."""
    n, sums = len(columns), []
    step = max(1, AT_ONCE // n)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        # Whole numbers below 2⁵³, so exact in any order of addition.
        sums.append(times.astype(np.float64) @ columns)
    return np.concatenate(sums)


def _by_content(counts: TokenCounts) -> Ints:
    """Return an order of the units that follows from what they counted; ties are equal but for chance."""
    rng = np.random.Generator(np.random.Philox(key=[0, _PURPOSE << 32]))
    marks = rng.integers(1, 1 << 20, size=(2, counts.n_tokens))
    digests = np.zeros((2, counts.n_units), dtype=np.int64)
    for digest, mark in zip(digests, marks, strict=True):
        np.add.at(digest, counts.unit, counts.count * mark[counts.token])
    return np.lexsort(digests)
