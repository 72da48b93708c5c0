"""Speculative sampling on a Markov pair, many sequences at once: algorithm 1 of Leviathan et al. 2023.

Drafts a whole block first and verifies it afterwards, as the algorithm is written; it shares nothing with
`markov_theory`, which it checks, nor with the project.
"""

import numpy as np
from numpy.typing import NDArray

from tests.support.markov_theory import COUNTERS, POSITIONS, Theory

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def simulate(
    law: Theory, starts: Ints, rng: np.random.Generator, *, drafted_rows: list[Ints] | None = None
) -> Array:
    """Return each sequence's counters, shape (sequences, counters), for prompts that end in `starts`.

    `drafted_rows` gets an array of each round: of every drafted token the sequence, the token before it,
    itself and its verdict (0 rejected, 1 accepted, 2 discarded).
    """
    n = len(starts)
    counts = {name: np.zeros(n) for name in COUNTERS}
    overlap = np.minimum(law.target, law.draft).sum(axis=1)
    last, left = starts.copy(), np.full(n, law.max_new_tokens)
    gamma = np.full(n, law.gamma)
    while (alive := np.flatnonzero(left > 0)).size:
        k = np.minimum(gamma[alive], left[alive] - 1)
        tokens, drafted = _draft(law, last[alive], k, rng)
        contexts = np.column_stack([last[alive], tokens])
        going, matches = np.ones(alive.size, bool), np.zeros(alive.size, int)
        rejected = np.zeros(alive.size, bool)
        for j in range(tokens.shape[1]):
            judged = going & (drafted > j)
            x, y = contexts[judged, j], tokens[judged, j]
            kept = np.zeros_like(going)
            kept[judged] = rng.random(x.size) <= law.target[x, y] / law.draft[x, y]
            rejected |= judged & ~kept
            matches += kept
            going = kept
            counts["overlap"][alive[judged]] += overlap[x]
            if j < POSITIONS:
                counts[f"judged_{j + 1}"][alive] += judged
                counts[f"accepted_{j + 1}"][alive] += kept
        rows = np.arange(alive.size)
        x = contexts[rows, matches]
        residual = np.maximum(law.target[x] - law.draft[x], 0) * rejected[:, None]
        next_token = _choose(np.where(rejected[:, None], residual, law.target[x]), rng)
        ended = (matches > 0) & (x == law.eos) if law.eos is not None else np.zeros(alive.size, bool)
        emitted = matches + ~ended
        if drafted_rows is not None:
            drafted_rows.append(_rows(alive, contexts, drafted, matches))
        _count(counts, alive, k < gamma[alive], drafted, matches, rejected, emitted)
        last[alive] = next_token
        ended |= next_token == (-1 if law.eos is None else law.eos)
        left[alive] = np.where(ended, 0, left[alive] - emitted)
        if law.heuristic:
            gamma[alive] = np.where(matches == drafted, gamma[alive] + 2, np.maximum(1, gamma[alive] - 1))
    return np.column_stack([counts[name] for name in COUNTERS])


def _draft(law: Theory, last: Ints, k: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return the drafted tokens, shape (rows, longest), and how many of each row count."""
    tokens = np.zeros((last.size, int(k.max())), int)
    drafted, open_rows = np.zeros(last.size, int), k > 0
    for j in range(tokens.shape[1]):
        drawn = _choose(law.draft[last], rng)
        tokens[open_rows, j] = drawn[open_rows]
        drafted += open_rows
        stop = (law.draft[last, drawn] < law.threshold) | (k <= j + 1)
        if law.eos is not None:
            stop |= drawn == law.eos
        open_rows = open_rows & ~stop
        last = drawn
    return tokens, drafted


def _rows(alive: Ints, contexts: Ints, drafted: Ints, matches: Ints) -> Ints:
    """Return the drafted tokens of a round, (tokens, 4); the first after `matches` is the rejected one."""
    row, j = np.nonzero(np.arange(contexts.shape[1] - 1) < drafted[:, None])
    verdict = np.select([j < matches[row], j == matches[row]], [1, 0], default=2)
    return np.column_stack([alive[row], contexts[row, j], contexts[row, j + 1], verdict])


def _choose(weights: Array, rng: np.random.Generator) -> Ints:
    """Draw one column per row with probability proportional to its weight."""
    cumulative = weights.cumsum(axis=1)
    uniform = rng.random((len(weights), 1)) * cumulative[:, -1:]
    return (uniform >= cumulative).sum(axis=1).clip(max=weights.shape[1] - 1)


def _count(
    counts: dict[str, Array],
    alive: Ints,
    cut: Ints,
    drafted: Ints,
    matches: Ints,
    rejected: Ints,
    emitted: Ints,
) -> None:
    for name, values in {
        "rounds": np.ones(alive.size),
        "cut": cut,
        "drafted": drafted,
        "accepted": matches,
        "rejected": rejected,
        "discarded": drafted - matches - rejected,
        "emitted": emitted,
    }.items():
        counts[name][alive] += values
