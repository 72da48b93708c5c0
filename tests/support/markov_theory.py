"""Exact theory of assisted generation on a Markov pair: means and covariances of a sequence's counts.

Nothing here comes from the project. A sequence is cut into its smallest random steps (a judged token, a
discarded token, a correction, a bonus), and the first two moments of all counters are carried backwards from
the end of the text through every round (dynamic programming over last token × tokens left × draft length).

transformers' rules: a round drafts k = min(draft length, tokens left − 1) tokens, so the last token is never
drafted; drafting stops after a drafted end-of-text and, with a threshold, after a token with q below it, and
still proposes it; a rejection emits one token from norm(max(p − q, 0)), full success one from p; an accepted
end-of-text ends the text without a further token. `heuristic`: + 2 after a round whose drafted tokens, few
or many, were all accepted (none at all counts), else − 1, at least 1.

A q that equals the threshold is not below it; float32 models may see it otherwise, so test matrices avoid it.

Law of a judged token: Leviathan et al. 2023 (arXiv 2211.17192), theorem 3.5: accepted with min(1, p/q).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Positions with counters of their own; later ones are counted only in the totals.
POSITIONS = 8
_TOTALS = ("rounds", "cut", "drafted", "accepted", "rejected", "discarded", "emitted", "overlap")
COUNTERS = (
    *_TOTALS,
    *(f"judged_{position}" for position in range(1, POSITIONS + 1)),
    *(f"accepted_{position}" for position in range(1, POSITIONS + 1)),
)


@dataclass(frozen=True)
class Moments:
    """Mass, first and second moment of the counters on one branch, for each state the branch starts from.

    Unnormalised: mass is the branch's probability. Shapes (states), (states, counters) and
    (states, counters, counters).
    """

    mass: Array
    first: Array
    second: Array

    def __add__(self, other: "Moments") -> "Moments":
        """Either branch: they exclude each other."""
        return Moments(self.mass + other.mass, self.first + other.first, self.second + other.second)

    def after(self, step: Array) -> "Moments":
        """Put a step in front: step[x, y] is the probability to go from x to y."""
        flat = self.second.reshape(len(self.second), -1)
        return Moments(step @ self.mass, step @ self.first, (step @ flat).reshape(self.second.shape))

    def plus(self, **increments: float | Array) -> "Moments":
        """Add fixed numbers, or one number per state, to counters."""
        add = np.zeros_like(self.first)
        for counter, increment in increments.items():
            if counter in COUNTERS:
                add[:, COUNTERS.index(counter)] = increment
        cross = _outer(add, self.first)
        square = self.mass[:, None, None] * _outer(add, add)
        return Moments(
            self.mass,
            self.first + self.mass[:, None] * add,
            self.second + cross + cross.swapaxes(1, 2) + square,
        )

    def beside(self, other: "Moments") -> "Moments":
        """Both branches happen, independently given the state; their counts add up."""
        cross = _outer(self.first, other.first)
        return Moments(
            self.mass * other.mass,
            self.first * other.mass[:, None] + self.mass[:, None] * other.first,
            self.second * other.mass[:, None, None]
            + self.mass[:, None, None] * other.second
            + cross
            + cross.swapaxes(1, 2),
        )

    def where(self, rows: NDArray[np.bool_], other: "Moments") -> "Moments":
        """Take the rows' moments from here, the others' from `other`."""
        return Moments(
            np.where(rows, self.mass, other.mass),
            np.where(rows[:, None], self.first, other.first),
            np.where(rows[:, None, None], self.second, other.second),
        )


def _outer(left: Array, right: Array) -> Array:
    return left[:, :, None] * right[:, None, :]


def _nothing_more(states: int) -> Moments:
    n = len(COUNTERS)
    return Moments(np.ones(states), np.zeros((states, n)), np.zeros((states, n, n)))


@dataclass(frozen=True)
class Theory:
    """The law of one sequence's counters under a schedule.

    `target`, `draft`: next-token probabilities as verification sees them, shape (states, states).
    """

    target: Array
    draft: Array
    gamma: int
    max_new_tokens: int
    heuristic: bool = False
    threshold: float = 0.0
    eos: int | None = None

    def mean(self, state: int) -> Array:
        """Expected counters of a sequence whose prompt ends in `state`, in the order of `COUNTERS`."""
        return self._from_start.first[state]

    def covariance(self, state: int) -> Array:
        """Covariance matrix of the counters of such a sequence."""
        mean = self.mean(state)
        return self._from_start.second[state] - np.outer(mean, mean)

    @cached_property
    def _from_start(self) -> Moments:
        return self._round(self.max_new_tokens, self.gamma, {})

    # One-step laws, each (states, states) ------------------------------------------------------------

    @cached_property
    def _overlap(self) -> Array:
        return np.minimum(self.target, self.draft).sum(axis=1)

    @cached_property
    def _accept(self) -> Array:
        return np.minimum(self.target, self.draft)

    @cached_property
    def _reject(self) -> Array:
        return np.maximum(self.draft - self.target, 0)

    @cached_property
    def _correct(self) -> Array:
        residual = np.maximum(self.target - self.draft, 0)
        mass = residual.sum(axis=1, keepdims=True)
        return np.divide(residual, mass, out=np.zeros_like(residual), where=mass > 0)

    @cached_property
    def _drafting_stops(self) -> NDArray[np.bool_]:
        """[x, y]: drafting stops after y was drawn behind x."""
        stops = self.draft < self.threshold
        if self.eos is not None:
            stops[:, self.eos] = True
        return stops

    @property
    def _ended(self) -> NDArray[np.bool_]:
        return np.arange(len(self.target)) == self.eos

    # From the end of the text backwards --------------------------------------------------------------

    def _round(self, left: int, gamma: int, known: dict[tuple[int, int], Moments]) -> Moments:
        """Everything from the start of a round on, by last token, with `left` tokens to emit."""
        nothing = _nothing_more(len(self.target))
        if left == 0:
            return nothing
        if (left, gamma) not in known:
            k = min(gamma, left - 1)
            moments = self._bonus(left - k - 1, gamma, known)
            for position in range(k, 0, -1):
                moments = self._judged(moments, position, k, left, gamma, known)
            known[left, gamma] = nothing.where(self._ended, moments.plus(rounds=1, cut=float(k < gamma)))
        return known[left, gamma]

    def _judged(
        self,
        goes_on: Moments,
        position: int,
        k: int,
        left: int,
        gamma: int,
        known: dict[tuple[int, int], Moments],
    ) -> Moments:
        """From the judged token at `position` on; `goes_on` follows where it is kept and drafting went on."""
        stops, ended = self._drafting_stops, self._ended
        nothing = _nothing_more(len(self.target))
        short = nothing.where(ended, self._bonus(left - position - 1, gamma, known))
        kept = goes_on.after(self._accept * ~stops) + short.after(self._accept * stops)
        kept = kept.plus(accepted=1, emitted=1, **{f"accepted_{position}": 1})

        tail = self._tail(k - position).after(self._reject * ~stops) + nothing.after(self._reject * stops)
        smaller = max(1, gamma - 1) if self.heuristic else gamma
        corrected = self._round(left - position, smaller, known).after(self._correct).plus(emitted=1)
        failed = tail.beside(corrected).plus(rejected=1)
        judged = {f"judged_{position}": 1.0}
        return (kept + failed).plus(drafted=1, overlap=self._overlap, **judged)

    def _tail(self, length: int) -> Moments:
        """At most `length` discarded tokens behind a rejected one."""
        moments = nothing = _nothing_more(len(self.target))
        for _ in range(length):
            goes_on, stops = self.draft * ~self._drafting_stops, self.draft * self._drafting_stops
            moments = (moments.after(goes_on) + nothing.after(stops)).plus(drafted=1, discarded=1)
        return moments

    def _bonus(self, left: int, gamma: int, known: dict[tuple[int, int], Moments]) -> Moments:
        """From the bonus token on; `left` tokens are to emit behind it."""
        larger = gamma + 2 if self.heuristic else gamma
        return self._round(left, larger, known).after(self.target).plus(emitted=1)


def block_efficiency(alpha: float, gamma: int) -> float:
    """Emitted tokens per round when every token is accepted with α: Leviathan et al. 2023, equation 1."""
    return (1 - alpha ** (gamma + 1)) / (1 - alpha)


def emitted_variance(alpha: float, gamma: int) -> float:
    """Variance of a round's emitted tokens under the same assumption (a geometric variable cut at γ + 1)."""
    n = np.arange(1, gamma + 2)
    chance = np.where(n <= gamma, alpha ** (n - 1) * (1 - alpha), alpha**gamma)
    return float(chance @ n**2 - (chance @ n) ** 2)


def speed_up(alpha: float, gamma: int, cost: float) -> float:
    """Tokens per time against plain decoding, a draft call costing `cost` target calls: theorem 3.8."""
    return block_efficiency(alpha, gamma) / (gamma * cost + 1)
