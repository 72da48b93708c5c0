"""Three studies whose truth is known, and what three readers say of each: `make demonstration`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from pathlib import Path

import pandas as pd
from scipy.stats import norm

from specgap.simulate import GROUPING, World
from specgap.stats.claims import p_words, sentence
from specgap.tables.comparison import Comparison, compare
from specgap.tables.counts import Counts, total
from specgap.tables.csv import write_table
from specgap.tables.gap_test import gap_null, gap_test
from specgap.tables.intervals import intervals
from specgap.tables.layout import entries

#: What is true, and the law it is drawn from.
WORLDS = {
    "No difference": World(),
    "Terms differ, groups do not": World(term_sd=0.4),
    "One group is 8 points lower": World(term_sd=0.15).lowered("queer_gender", 8.0),
}
#: A study of each; fixed before any was looked at.
SEED = 2026


@dataclass(frozen=True)
class Study:
    """One simulated study: its truth, its test, and what each reader says."""

    title: str
    world: World
    #: By group.
    true_rates: dict[str, float]
    test: Comparison
    intervals: pd.DataFrame
    null: pd.DataFrame
    greatest: str
    token_test: str
    claim: str


def studies(*, permutations: int = 9_999, seed: int = SEED) -> list[Study]:
    """Draw, replay, count and test one study of each world."""
    return [
        _study(title, world, permutations=permutations, seed=seed + number)
        for number, (title, world) in enumerate(WORLDS.items())
    ]


def write_tables(folder: Path, found: list[Study]) -> None:
    """Write each study's intervals, test and permuted maxima as CSV."""
    for number, study in enumerate(found, start=1):
        frames = {"intervals": study.intervals, "gap_test": gap_test(study.test), "gap_null": study.null}
        for name, frame in frames.items():
            write_table(folder / f"{number}_{name}.csv", frame)


def in_words(found: list[Study]) -> Iterator[str]:
    """Yield what is true of each study and what is said of it."""
    for study in found:
        yield f"{study.title} (true)"
        yield f"  The greatest of 45: {study.greatest}"
        yield f"  A token test:       {study.token_test}"
        yield f"  specgap:            {study.claim}"


def _study(title: str, world: World, *, permutations: int, seed: int) -> Study:
    counts = world.counts(seed)
    known = entries(world.groups, counts)
    test = compare(
        GROUPING,
        world.groups,
        known,
        mode="sampled",
        permutations=permutations,
        seed=seed,
        small_gap=5.0,
    )
    totals = {
        group.name: total(counts.get(prompt, Counts()) for prompt in group.prompts) for group in world.groups
    }
    high, low = _extremes(totals)
    rates = {name: n.accepted / n.judged for name, n in totals.items()}
    return Study(
        title=title,
        world=world,
        true_rates=world.true_rates(seed),
        test=test,
        intervals=intervals(world.groups, known, mode="sampled"),
        null=gap_null(test),
        greatest=f"{high} is {100 * (rates[high] - rates[low]):.1f} points above {low}.",
        token_test=_token_test(totals),
        claim=sentence(test.finding),
    )


def _extremes(totals: dict[str, Counts]) -> tuple[str, str]:
    ranked = sorted(totals, key=lambda name: totals[name].accepted / totals[name].judged)
    return ranked[-1], ranked[0]


def _token_test(totals: dict[str, Counts]) -> str:
    """Say what a z-test that takes tokens as independent finds in the pair with the greatest z."""
    best = max(combinations(totals, 2), key=lambda pair: _z(totals[pair[0]], totals[pair[1]]))
    p = 2 * float(norm.sf(_z(totals[best[0]], totals[best[1]])))
    said = "they differ" if p < 0.05 else "no difference"
    words = "p < 0.0001" if p < 1e-4 else f"p = {p_words(p)}"
    return f"{best[0]} and {best[1]}: {said}, {words}."


def _z(a: Counts, b: Counts) -> float:
    variance = sum(n.accepted * n.rejected / n.judged**3 for n in (a, b))
    return abs(a.accepted / a.judged - b.accepted / b.judged) / sqrt(variance)
