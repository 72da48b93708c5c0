"""Simulated studies with a known rate: how often each interval holds it, and one over tokens."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from specgap.stats.intervals import rates
from specgap.stats.layout import Layout, Sums
from tests.support.group_worlds import World
from tests.support.measured import WORLDS, Measured, share

pytestmark = pytest.mark.simulation


def alone(n_prompts: int) -> Layout:
    """Return one group whose prompts are its units, without templates."""
    zeros = np.zeros(n_prompts, dtype=np.int64)
    every = np.arange(n_prompts)
    return Layout(("group",), ("",), tuple(map(str, every)), zeros, zeros, every, None, has_terms=False)


def prompts_of(n: int, rng: np.random.Generator) -> Sums:
    """Return prompts whose logits have a standard deviation of 0.8."""
    judged = 8 + rng.poisson(32, n)
    return Sums(rng.binomial(judged, expit(rng.normal(1.0, 0.8, n))).astype(float), judged.astype(float))


def truth() -> float:
    x, w = np.polynomial.hermite_e.hermegauss(101)
    return float((w * expit(1.0 + 0.8 * x)).sum() / w.sum())


def wilson_holds(sums: Sums, rate: float) -> bool:
    n, p = sums.whole.sum(), sums.part.sum() / sums.whole.sum()
    z = 1.959963984540054
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return bool(abs(rate - middle) <= half)


def percentile_holds(sums: Sums, rate: float, rng: np.random.Generator) -> bool:
    drawn = rng.integers(0, len(sums.part), (999, len(sums.part)))
    ratios = sums.part[drawn].sum(axis=1) / sums.whole[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return bool(low <= rate <= high)


@pytest.mark.parametrize(("n_prompts", "low", "high"), [(75, 0.92, 0.98), (15, 0.90, 0.98)])
def test_an_interval_over_prompts_holds_the_rate_and_one_over_tokens_does_not(
    n_prompts: int, low: float, high: float
) -> None:
    layout, rate = alone(n_prompts), truth()
    holds, wilson, percentile = [], [], []
    for world in range(WORLDS):
        rng = np.random.default_rng([1, n_prompts, world])
        sums = prompts_of(n_prompts, rng)
        (found,) = rates(layout, sums)
        assert found.these is not None
        assert ("few clusters" in found.notes) == (n_prompts < 20)
        holds.append(found.these.low <= rate <= found.these.high)
        wilson.append(wilson_holds(sums, rate))
        percentile.append(percentile_holds(sums, rate, rng))
    name = f"{n_prompts} prompts, logit SD 0.8"
    Measured(name, "coverage, logit and t over prompts", share(holds), low, high, WORLDS).hold()
    Measured(name, "coverage, Wilson on tokens", share(wilson), 0, 0.7, WORLDS, guard=True).hold()
    if n_prompts == 15:
        short = share(holds) - share(percentile)
        Measured(
            name, "percentile bootstrap's loss of coverage", short, 0.005, 0.2, WORLDS, guard=True
        ).hold()


@pytest.mark.parametrize("terms", [(9,) * 11, (1, 1)])
def test_templates_that_all_groups_share_are_no_uncertainty_of_these_terms(terms: tuple[int, ...]) -> None:
    world = World(terms=terms, plurals=(0,) * len(terms), effects=(0.0,) * len(terms))
    layout = world.layout()
    holds, narrower = [], []
    x, w = np.polynomial.hermite_e.hermegauss(41)
    for number in range(WORLDS):
        rng = np.random.default_rng([3, number])
        blocks = rng.normal(0, world.template_sd, world.templates)
        rate = float(
            (w * expit(world.base + blocks[:, None] + world.prompt_sd * x)).sum() / w.sum() / len(blocks)
        )
        level = world.base + np.tile(blocks, len(layout.units)) + rng.normal(0, world.prompt_sd, len(layout))
        judged = np.full(len(layout), 24)
        sums = Sums(rng.binomial(judged, expit(level)).astype(float), judged.astype(float))
        blocked = rates(layout, sums)
        unblocked = rates(replace(layout, block=None), sums)
        for one, other in zip(blocked, unblocked, strict=True):
            assert one.these is not None
            assert other.these is not None
            holds.append(one.these.low <= rate <= one.these.high)
            narrower.append(one.these.se / other.these.se)
    name = f"{len(terms)} groups × {terms[0]} terms, crossed with templates"
    Measured(name, "coverage, these terms", share(holds), 0.92, 0.98, WORLDS).hold()
    if len(terms) > 2:
        Measured(name, "blocked SE / unblocked SE", float(np.mean(narrower)), 0.5, 0.9, WORLDS).hold()


def test_terms_like_these_hold_the_rate_for_groups_of_every_size() -> None:
    world = World(terms=(24, 16, 8, 12, 6, 1, 15, 1, 9, 7, 3, 2), plurals=(0,) * 12, effects=(0.0,) * 12)
    world = replace(world, term_sd=0.3, template_sd=0.0)
    layout = world.layout()
    rate = float(world.true_rates(layout)[0])
    own: list[bool] = []
    borrowed: list[bool] = []
    inner: list[bool] = []
    for number in range(WORLDS):
        for found in rates(layout, world.draw(layout, np.random.default_rng([4, number]))):
            assert found.like is not None
            assert found.these is not None
            inside = found.like.low <= rate <= found.like.high
            (own if found.n_units >= 3 else borrowed).append(inside)
            inner.append(found.these.low <= rate <= found.these.high)
    name = "terms differ (SD 0.3)"
    Measured(name, "coverage, terms like these, 3 or more", share(own), 0.92, 0.98, WORLDS).hold()
    Measured(name, "coverage, terms like these, 1 or 2", share(borrowed), 0.92, 0.98, WORLDS).hold()
    Measured(name, "coverage, these terms", share(inner), 0, 0.8, WORLDS, guard=True).hold()
