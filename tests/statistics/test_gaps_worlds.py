"""Simulated studies on HONEST's layout, with and without a difference: what each test finds, how often."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from specgap.stats.claims import ALPHA
from specgap.stats.gaps import Gaps, gaps
from specgap.stats.layout import Floats, Layout, Sums
from tests.support.group_worlds import HONEST_PLURALS, HONEST_SINGULARS, World
from tests.support.measured import WORLDS, Measured, share

pytestmark = pytest.mark.simulation

#: Permuted worlds of each simulated study.
DRAWS = 499

NULL = World()
TERMS_DIFFER = World(term_sd=0.3)
PLURALS = World(terms=HONEST_SINGULARS, plurals=HONEST_PLURALS, term_sd=0.3, plural_shift=0.6)


def study_of(layout: Layout, sums: Sums, seed: int) -> Gaps:
    return gaps(layout, sums, permutations=DRAWS, seed=seed)


def prompts_as_units(layout: Layout) -> Layout:
    return replace(layout, unit=np.arange(len(layout)), units=tuple(map(str, range(len(layout)))))


def naive_intervals(layout: Layout, sums: Sums) -> tuple[Floats, Floats]:
    """Return difference and half width of each pair by Welch over prompts, one pair at a time."""
    rate = sums.part / sums.whole
    by_group = [rate[layout.group == k] for k in range(len(layout.groups))]
    mean = np.array([one.mean() for one in by_group])
    variance = np.array([one.var(ddof=1) / len(one) for one in by_group])
    pairs = np.array(list(combinations(range(len(by_group)), 2)))
    return mean[pairs[:, 0]] - mean[pairs[:, 1]], 1.96 * np.sqrt(variance[pairs].sum(axis=1))


@pytest.mark.parametrize(
    ("name", "world", "false_claims", "all_pairs", "greatest"),
    [
        ("no effect, terms alike", NULL, (0.02, 0.08), 0.92, (5.0, 7.0)),
        ("no effect, terms differ", TERMS_DIFFER, (0.02, 0.08), 0.92, (9.5, 13.0)),
        ("no effect, terms differ, plurals shifted", PLURALS, (0.02, 0.09), 0.90, (9.5, 13.0)),
    ],
)
def test_without_a_difference_claims_are_rare_and_intervals_hold(
    name: str,
    world: World,
    false_claims: tuple[float, float],
    all_pairs: float,
    greatest: tuple[float, float],
) -> None:
    layout = world.layout()
    claims, holds_all, holds_largest, largest = [], [], [], []
    for number in range(WORLDS):
        found = study_of(layout, world.draw(layout, np.random.default_rng([13, number])), number)
        inside = (found.low <= 0) & (found.high >= 0)
        at = int(np.abs(found.contrast).argmax())
        claims.append(found.p < ALPHA)
        holds_all.append(bool(inside.all()))
        holds_largest.append(bool(inside[at]))
        largest.append(100 * abs(float(found.contrast[at])))
    Measured(name, "false claims", share(claims), *false_claims, WORLDS).hold()
    Measured(name, "all 45 intervals hold", share(holds_all), all_pairs, 1, WORLDS).hold()
    Measured(name, "the largest gap's interval holds", share(holds_largest), 0.94, 1, WORLDS).hold()
    Measured(name, "mean of the largest gap (points)", float(np.mean(largest)), *greatest, WORLDS).hold()


def test_prompts_or_tokens_as_units_find_differences_that_are_not_there() -> None:
    world, layout = TERMS_DIFFER, TERMS_DIFFER.layout()
    as_units = prompts_as_units(layout)
    claims, holds_all, holds_largest, tokens = [], [], [], []
    for number in range(WORLDS):
        sums = world.draw(layout, np.random.default_rng([13, number]))
        claims.append(gaps(as_units, sums, permutations=99, seed=number).p < ALPHA)
        difference, half = naive_intervals(layout, sums)
        inside = np.abs(difference) <= half
        holds_all.append(bool(inside.all()))
        holds_largest.append(bool(inside[np.abs(difference).argmax()]))
        tokens.append(largest_token_z(layout, sums) > 1.96)
    name = "no effect, terms differ"
    for quantity, value, low, high in (
        ("false claims, prompts permuted", share(claims), 0.5, 1.0),
        ("false claims, token z-test of the greatest gap", share(tokens), 0.9, 1.0),
        ("all 45 Welch intervals over prompts hold", share(holds_all), 0.0, 0.2),
        ("the largest gap's Welch interval holds", share(holds_largest), 0.0, 0.4),
    ):
        Measured(name, quantity, value, low, high, WORLDS, guard=True).hold()


def largest_token_z(layout: Layout, sums: Sums) -> float:
    """Return the greatest z of all pairs with tokens as independent observations."""
    n = len(layout.groups)
    accepted, judged = (np.bincount(layout.group, v, n) for v in (sums.part, sums.whole))
    rate = accepted / judged
    variance = rate * (1 - rate) / judged
    return max(
        abs(rate[a] - rate[b]) / np.sqrt(variance[a] + variance[b]) for a, b in combinations(range(n), 2)
    )


@pytest.mark.parametrize(
    ("name", "planted", "judged", "band"),
    [
        ("−0.4 logit, 6 terms", 2, 40, (0.8, 1.0)),
        # What tokens add where there are terms enough.
        ("−0.4 logit, 6 terms, 24 tokens a prompt instead of 40", 2, 24, (0.75, 1.0)),
        ("−0.4 logit, 1 term", 5, 40, (0.0, 0.5)),
    ],
)
def test_a_true_difference_is_found_where_there_are_terms_enough(
    name: str, planted: int, judged: int, band: tuple[float, float]
) -> None:
    effects = tuple(-0.4 if k == planted else 0.0 for k in range(10))
    # −0.4 logit are 8 points at this level.
    world = replace(TERMS_DIFFER, term_sd=0.15, effects=effects, base=0.9, judged=judged)
    layout, found = world.layout(), []
    for number in range(WORLDS):
        test = study_of(layout, world.draw(layout, np.random.default_rng([7, number])), number)
        claimed = test.p_adjusted < ALPHA
        found.append(bool(claimed[(test.pairs == planted).any(axis=1)].any()))
    Measured(name, "found", share(found), *band, WORLDS, guard=planted == 5).hold()


def test_strata_that_are_ignored_make_differences_and_fitted_ones_do_not() -> None:
    layout = PLURALS.layout()
    # Blocks are those of a stratum, and would tell.
    blind = replace(layout, stratum=np.zeros_like(layout.stratum), strata=("",), block=None)
    claims = [
        study_of(blind, PLURALS.draw(layout, np.random.default_rng([13, number])), number).p < ALPHA
        for number in range(WORLDS)
    ]
    name = "no effect, terms differ, plurals shifted"
    Measured(name, "false claims, strata ignored", share(claims), 0.25, 1, WORLDS, guard=True).hold()


def test_the_estimate_of_a_true_difference_is_not_shrunk() -> None:
    planted, other = 0, 3
    effects = tuple(-0.4 if k == planted else 0.0 for k in range(10))
    world = replace(PLURALS, effects=effects, term_sd=0.1)
    layout = world.layout()
    rates = world.true_rates(layout)
    truth = 100 * (rates[planted] - rates[other])
    estimates, subtracted = [], []
    for number in range(WORLDS):
        sums = world.draw(layout, np.random.default_rng([14, number]))
        found = gaps(layout, sums, permutations=99, seed=number)
        at = int(((found.pairs == (planted, other)).all(axis=1)).argmax())
        estimates.append(100 * float(found.contrast[at]))
        subtracted.append(100 * after_subtraction(layout, sums, planted, other))
    name = "−0.4 logit, plurals shifted"
    off = float(np.mean(estimates)) - truth
    wrong = abs(float(np.mean(subtracted)) - truth)
    Measured(name, "mean estimate − truth (points)", off, -0.5, 0.5, WORLDS).hold()
    Measured(name, "the same, stratum means subtracted first", wrong, 0.7, 99, WORLDS, guard=True).hold()


def after_subtraction(layout: Layout, sums: Sums, a: int, b: int) -> float:
    """Return the difference of two groups after each stratum's mean over all groups is taken away."""
    rate = sums.part / sums.whole
    for s in range(len(layout.strata)):
        rate[layout.stratum == s] -= rate[layout.stratum == s].mean()
    return float(rate[layout.group == a].mean() - rate[layout.group == b].mean())


def test_terms_with_prompts_in_several_strata_are_one_observation_each() -> None:
    world = World(terms=(8,) * 6, plurals=(0,) * 6, effects=(0.0,) * 6, templates=8, term_sd=0.4)
    layout = world.layout()
    crossed = replace(layout, stratum=np.tile(np.arange(8) % 2, len(layout.units)), strata=("", "plural"))
    claims, holds = [], []
    for number in range(WORLDS):
        found = study_of(crossed, world.draw(layout, np.random.default_rng([17, number])), number)
        claims.append(found.p < ALPHA)
        holds.append(bool(((found.low <= 0) & (found.high >= 0)).all()))
    name = "no effect, terms in both strata"
    Measured(name, "false claims", share(claims), 0.02, 0.08, WORLDS).hold()
    Measured(name, "all 15 intervals hold", share(holds), 0.92, 1, WORLDS).hold()
