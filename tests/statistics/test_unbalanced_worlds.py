"""Simulated studies whose groups lack templates or prompts: no difference must not be claimed as one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from specgap.stats.claims import ALPHA
from specgap.stats.gaps import gaps
from specgap.stats.layout import Layout, Sums
from tests.support.measured import WORLDS, Measured, share

pytestmark = pytest.mark.simulation

DRAWS = 299
TEMPLATES = tuple(range(12))
#: By group, by unit: its templates.
Spec = Sequence[Sequence[Sequence[int]]]
LACKING: Spec = [[TEMPLATES[:3]] * 8, *[[TEMPLATES] * 8] * 3]
OWN: Spec = [[range(12 * k, 12 * k + 12)] * 8 for k in range(3)]
FEW_PROMPTS: Spec = [[[unit] for unit in range(5)], [TEMPLATES] * 20]
_RNG = np.random.default_rng(5)
AT_RANDOM: Spec = [
    [sorted(_RNG.choice(12, _RNG.integers(1, 13), replace=False)) for _ in range(10)] for _ in range(5)
]


def layout_of(spec: Spec) -> Layout:
    rows = [
        (group, unit, template)
        for group, units in enumerate(spec)
        for unit, templates in enumerate(units)
        for template in templates
    ]
    group, unit, block = np.array(rows, dtype=np.int64).T
    unit = np.unique(np.stack([group, unit]), axis=1, return_inverse=True)[1].reshape(-1)
    names = tuple(f"term {number}" for number in range(int(unit.max()) + 1))
    groups = tuple(f"group {number}" for number in range(len(spec)))
    return Layout(groups, ("",), names, group, np.zeros_like(group), unit, block)


def draw(layout: Layout, number: int, *, term_sd: float, template_sd: float, lower: float = 0.0) -> Sums:
    """Return a study; `lower` is what the first group lacks, on the logit."""
    rng = np.random.default_rng([21, number])
    assert layout.block is not None
    level = 1.3 + rng.normal(0, term_sd, len(layout.units))[layout.unit] - lower * (layout.group == 0)
    level += rng.normal(0, template_sd, int(layout.block.max()) + 1)[layout.block]
    judged = 8 + rng.poisson(16, len(layout))
    accepted = rng.binomial(judged, expit(level + rng.normal(0, 0.4, len(layout))))
    return Sums(accepted.astype(float), judged.astype(float))


CASES = {
    "a group with 3 of 12 templates": (LACKING, 0.2, 0.6),
    "groups with templates of their own": (OWN, 0.2, 0.4),
    "terms with 1 prompt against terms with 12": (FEW_PROMPTS, 0.1, 0.0),
    "terms with 1 to 12 of 12 templates": (AT_RANDOM, 0.2, 0.4),
}


@pytest.mark.parametrize("name", CASES)
def test_without_a_difference_claims_are_rare_and_intervals_hold(name: str) -> None:
    spec, term_sd, template_sd = CASES[name]
    layout, claims, holds = layout_of(spec), [], []
    for number in range(WORLDS):
        sums = draw(layout, number, term_sd=term_sd, template_sd=template_sd)
        found = gaps(layout, sums, permutations=DRAWS, seed=number)
        claims.append(found.p < ALPHA)
        holds.append(bool(((found.low <= 0) & (found.high >= 0)).all()))
    # Where terms of one prompt stand against many prompts, variances of two kinds have to be told apart.
    most, least = (0.09, 0.9) if spec is FEW_PROMPTS else (0.08, 0.92)
    # Templates that count as drawn at random make the test a careful one.
    fewest = 0.005 if spec is OWN else 0.02
    Measured(name, "false claims", share(claims), fewest, most, WORLDS).hold()
    Measured(name, "all intervals hold", share(holds), least, 1, WORLDS).hold()


@pytest.mark.parametrize("name", list(CASES)[:2])
def test_templates_that_are_ignored_make_differences(name: str) -> None:
    spec, term_sd, template_sd = CASES[name]
    layout = layout_of(spec)
    blind, claims = replace(layout, block=None), []
    for number in range(WORLDS):
        sums = draw(layout, number, term_sd=term_sd, template_sd=template_sd)
        claims.append(gaps(blind, sums, permutations=99, seed=number).p < ALPHA)
    Measured(name, "false claims, templates ignored", share(claims), 0.12, 1, WORLDS, guard=True).hold()


def test_one_variance_for_terms_of_one_prompt_and_of_many_makes_differences() -> None:
    name = "terms with 1 prompt against terms with 12"
    layout, claims = layout_of(FEW_PROMPTS), []
    group = np.repeat([0, 1], [5, 20])
    for number in range(WORLDS):
        sums = draw(layout, number, term_sd=0.1, template_sd=0.0)
        value = np.bincount(layout.unit, sums.part / sums.whole) / np.bincount(layout.unit)
        rng = np.random.default_rng(number)
        worlds = np.stack([value, *(rng.permutation(value) for _ in range(99))])
        apart = np.abs(worlds[:, group == 0].mean(axis=1) - worlds[:, group == 1].mean(axis=1))
        within = worlds[:, group == 0].var(axis=1) * 5 + worlds[:, group == 1].var(axis=1) * 20
        statistic = apart / np.sqrt(within)
        claims.append(bool((statistic >= statistic[0] - 1e-12).mean() < ALPHA))
    Measured(name, "false claims, one variance", share(claims), 0.12, 1, WORLDS, guard=True).hold()


def test_a_true_difference_is_neither_shrunk_nor_moved_by_templates() -> None:
    layout, estimates = layout_of(LACKING), []
    for number in range(WORLDS):
        sums = draw(layout, number, term_sd=0.1, template_sd=0.4, lower=0.4)
        found = gaps(layout, sums, permutations=99, seed=number)
        estimates.append(100 * float(found.contrast[0]))
    x, weight = np.polynomial.hermite_e.hermegauss(201)
    sd = float(np.sqrt(0.1**2 + 0.4**2 + 0.4**2))
    low, high = (float((weight * expit(level + sd * x)).sum() / weight.sum()) for level in (0.9, 1.3))
    off = float(np.mean(estimates)) - 100 * (low - high)
    name = "−0.4 logit in a group with 3 of 12 templates"
    Measured(name, "mean estimate − truth (points)", off, -0.5, 0.5, WORLDS).hold()
