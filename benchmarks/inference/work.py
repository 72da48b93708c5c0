"""One piece of inference, in a process of its own: its seconds and the most memory that the process held."""

import json
import sys
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test

from specgap.stats.distances import UnitHistograms, distances
from specgap.stats.distinctive import TokenCounts, log_odds, log_odds_interval
from specgap.stats.gaps import gaps
from specgap.stats.intervals import rates
from specgap.stats.layout import Layout, Sums
from specgap.stats.positions import position_bands
from tests.support.group_worlds import World
from tests.support.large_study import PERMUTATIONS, peak_mib

#: 10 groups × 100 terms × 15 templates, and as many terms as make 100,050 prompts.
LARGE, HUGE = 100, 667
Floats = NDArray[np.float64]
#: Prepares, and returns what is timed.
Prepared = Callable[[], Any]


def study(terms: int) -> tuple[Layout, Sums]:
    world = World(terms=(terms,) * 10, plurals=(0,) * 10, term_sd=0.2)
    layout = world.layout()
    return layout, world.draw(layout, np.random.default_rng(1))


def of_gaps(terms: int) -> Prepared:
    layout, sums = study(terms)
    return lambda: gaps(layout, sums, permutations=PERMUTATIONS, seed=1)


def of_scipy(terms: int) -> Prepared:
    """Permute units' mean rates over groups by SciPy, with the greatest studentised gap as its statistic.

    Less than `gaps` does: one stratum, rates that are not linearised anew, neither adjusted p of pairs nor
    intervals.
    """
    _, sums = study(terms)
    rate = (sums.part / sums.whole).reshape(-1, 15).mean(axis=1)
    samples = [rate[at * terms : (at + 1) * terms] for at in range(10)]

    def greatest(*groups: Floats, axis: int = -1) -> Floats:
        mean = np.stack([group.mean(axis=axis) for group in groups])
        within = sum(group.var(axis=axis, ddof=1) for group in groups) / len(groups)
        apart = np.stack([np.abs(mean[a] - mean[b]) for a, b in combinations(range(len(groups)), 2)])
        return np.asarray(apart.max(axis=0) / np.sqrt(2 * within / terms))

    return lambda: permutation_test(
        samples, greatest, n_resamples=PERMUTATIONS, vectorized=True, batch=500, alternative="greater", rng=1
    )


def of_intervals(terms: int) -> Prepared:
    layout, sums = study(terms)
    return lambda: rates(layout, sums)


def of_distances(terms: int) -> Prepared:
    rng = np.random.default_rng(2)
    edges = np.linspace(np.zeros(3), np.ones(3), 51, axis=1)
    groups = [
        UnitHistograms(rng.poisson(2.0, (terms, 3, 50)) + 1.0, np.zeros(terms, dtype=np.int64))
        for _ in range(10)
    ]
    return lambda: [
        distances(a, b, edges, seed=1, permutations=PERMUTATIONS) for a, b in combinations(groups, 2)
    ]


def of_distinctive(terms: int) -> Prepared:
    rng, tokens, each = np.random.default_rng(3), 5_000, 200
    units = np.repeat(np.arange(10 * terms), each)
    token = np.concatenate([np.arange(tokens), rng.zipf(1.3, len(units) - tokens) % tokens])
    counts = TokenCounts(units, token, rng.integers(1, 4, len(units)), 10 * terms, tokens)
    total = np.bincount(token, weights=counts.count, minlength=tokens)

    def run() -> None:
        for group in range(10):
            inside = np.arange(10 * terms) // terms == group
            of_group = np.bincount(token, weights=counts.count * inside[units], minlength=tokens)
            _, z = log_odds(of_group, total - of_group)
            log_odds_interval(counts, inside, np.argsort(-z)[:20], seed=1)

    return run


def of_positions(terms: int) -> Prepared:
    judged = np.random.default_rng(4).integers(0, 5, (10 * terms * 15, 40), dtype=np.int32)
    unit = np.arange(len(judged)) // 15
    return lambda: position_bands(judged, judged // 2, unit)


CASES: dict[str, tuple[Callable[[int], Prepared], int]] = {
    "gaps": (of_gaps, LARGE),
    "scipy": (of_scipy, LARGE),
    **{
        f"huge {name}": (prepare, HUGE)
        for name, prepare in {
            "gaps": of_gaps,
            "intervals": of_intervals,
            "distances": of_distances,
            "distinctive": of_distinctive,
            "positions": of_positions,
        }.items()
    },
}


def main(name: str) -> None:
    prepare, terms = CASES[name]
    run = prepare(terms)
    began = time.perf_counter()
    run()
    print(json.dumps({"seconds": time.perf_counter() - began, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(sys.argv[1])
