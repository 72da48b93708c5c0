"""Templates that are not shared by all: effects against an explicit fit, and who is joined with whom."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from specgap.stats.design import Design
from specgap.stats.gaps import gaps
from specgap.stats.layout import Floats, Layout, Sums
from specgap.stats.templates import levelled
from tests.support.group_worlds import World


def study(share: float = 0.6, seed: int = 1) -> tuple[Layout, Sums]:
    """A crossed layout of three groups without some of its prompts."""
    world = World(
        terms=(4, 3, 5), plurals=(0,) * 3, effects=(0.0,) * 3, templates=6, term_sd=0.3, template_sd=1.0
    )
    rng = np.random.default_rng(seed)
    layout = world.layout()
    sums = world.draw(layout, rng)
    kept = rng.random(len(layout)) < share
    return layout.kept(kept), Sums(sums.part[kept], sums.whole[kept])


def dummies(index: np.ndarray) -> Floats:
    return (index[:, None] == np.unique(index)).astype(float)


def explicit(layout: Layout, sums: Sums) -> tuple[Floats, Floats]:
    """Return the effects of blocks, centred over prompts, and their covariance, by a fit of dummies."""
    units, blocks = dummies(layout.unit), dummies(layout.block)
    x = np.hstack([units, blocks])
    rate = sums.part / sums.whole
    beta, *_ = np.linalg.lstsq(x, rate)
    rank = np.linalg.matrix_rank(x)
    sigma2 = float(np.square(rate - x @ beta).sum()) / (len(rate) - rank)
    centre = np.eye(blocks.shape[1]) - np.tile(blocks.mean(axis=0), (blocks.shape[1], 1))
    inverse = np.linalg.pinv(x.T @ x)[units.shape[1] :, units.shape[1] :]
    return centre @ beta[units.shape[1] :], sigma2 * centre @ inverse @ centre.T


@pytest.mark.parametrize("seed", range(5))
def test_effects_are_those_of_least_squares_on_unit_and_block(seed: int) -> None:
    layout, sums = study(seed=seed)
    found = levelled(layout, sums)
    effects, _ = explicit(layout, sums)
    _, at = np.unique(layout.block, return_inverse=True)
    assert len(np.unique(found.place)) == 1
    np.testing.assert_allclose(found.part, sums.part - sums.whole * effects[at], rtol=1e-10, atol=1e-10)


def test_the_variance_that_a_contrast_has_from_the_effects_is_that_of_the_fit() -> None:
    layout, sums = study(seed=3)
    design = Design.of(layout, sums)
    _, covariance = explicit(layout, sums)
    blocks, n_groups = dummies(layout.block), len(layout.groups)
    share = np.zeros((n_groups, blocks.shape[1]))
    for group in range(n_groups):
        units = np.unique(layout.unit[layout.group == group])
        share[group] = np.mean([blocks[layout.unit == unit].mean(axis=0) for unit in units], axis=0)
    for pair, variance in zip(combinations(range(n_groups), 2), design.template_variance, strict=True):
        apart = share[pair[0]] - share[pair[1]]
        assert variance == pytest.approx(float(apart @ covariance @ apart), rel=1e-9)


def test_a_layout_that_is_crossed_completely_is_left_as_it_is() -> None:
    layout, sums = study(share=2.0)
    found = levelled(layout, sums)
    assert found.part is sums.part
    assert not Design.of(layout, sums).template_variance.any()


def test_groups_with_templates_of_their_own_are_not_joined_and_have_wider_intervals() -> None:
    layout, sums = study(share=2.0)
    assert layout.block is not None
    # The second group's templates are others than those of the first and the third.
    own = replace(layout, block=layout.block + 100 * (layout.group == 1))
    shared, apart = (gaps(one, sums, permutations=99, seed=1) for one in (layout, own))
    assert shared.joined.all()
    assert apart.joined.tolist() == [False, True, False]
    # Prompts judge differently many tokens, so that level templates weigh a little otherwise.
    np.testing.assert_allclose(apart.contrast, shared.contrast, atol=0.02)
    assert (apart.se[[0, 2]] > 1.05 * shared.se[[0, 2]]).all()
    assert apart.se[1] == pytest.approx(shared.se[1], rel=0.3)
    assert (apart.freedoms <= apart.freedom).all()


def test_one_prompt_in_common_joins_groups() -> None:
    layout, sums = study(share=2.0)
    assert layout.block is not None
    own = layout.block + 100 * (layout.group == 1)
    own[np.flatnonzero(layout.group == 1)[0]] = layout.block[0]
    assert gaps(replace(layout, block=own), sums, permutations=99, seed=1).joined.all()


def test_a_group_that_stands_in_two_places_is_apart_from_one_that_stands_in_one() -> None:
    layout, sums = study(share=2.0)
    assert layout.block is not None
    # Half of the terms of the last group have templates of their own.
    own = layout.block + 100 * (layout.unit >= np.unique(layout.unit)[-2])
    found = gaps(replace(layout, block=own), sums, permutations=99, seed=1)
    assert found.joined.tolist() == [True, False, False]


def test_groups_of_other_strata_are_joined_by_one_that_is_in_both() -> None:
    world = World(terms=(4, 4, 0), plurals=(0, 4, 4), effects=(0.0,) * 3, templates=6, term_sd=0.3)
    layout = world.layout()
    sums, kept = (
        world.draw(layout, np.random.default_rng(1)),
        np.random.default_rng(2).random(len(layout)) < 0.7,
    )
    found = gaps(layout.kept(kept), Sums(sums.part[kept], sums.whole[kept]), permutations=99, seed=1)
    assert found.comparable.all()
    assert found.joined.all()


def test_templates_of_one_unit_each_say_nothing() -> None:
    layout, sums = study(share=2.0)
    alone = replace(layout, block=np.arange(len(layout)))
    assert levelled(alone, sums).part is sums.part
    assert gaps(alone, sums, permutations=99, seed=1).joined.all()


def test_the_order_of_entries_and_the_numbers_of_templates_change_nothing() -> None:
    layout, sums = study(seed=4)
    assert layout.block is not None
    order = np.random.default_rng(9).permutation(len(layout))
    turned = replace(
        layout,
        group=layout.group[order],
        stratum=layout.stratum[order],
        unit=layout.unit[order],
        block=7 * (99 - layout.block[order]),
    )
    one = gaps(layout, sums, permutations=199, seed=1)
    other = gaps(turned, Sums(sums.part[order], sums.whole[order]), permutations=199, seed=1)
    for name in ("contrast", "se", "low", "high", "p_adjusted"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9)


def test_units_of_few_prompts_have_larger_variances() -> None:
    rng = np.random.default_rng(2)
    n = np.repeat([1, 12], [40, 40])
    unit = np.repeat(np.arange(80), n)
    rate = 0.7 + rng.normal(0, 0.02, 80)[unit] + rng.normal(0, 0.12, len(unit))
    layout = Layout(
        ("a", "b"), ("",), tuple(map(str, range(80))), (unit >= 40).astype(np.int64),
        np.zeros_like(unit), unit, None,
    )  # fmt: skip
    whole = np.full(len(unit), 1000.0)
    design = Design.of(layout, Sums(1000 * rate, whole))
    spread = np.unique(np.round(design.features[:, 8], 12))
    truth = (0.02**2 + 0.12**2) / (0.02**2 + 0.12**2 / 12)
    print(f"variance of one prompt over that of twelve: {spread[1] / spread[0]:.2f}, truth {truth:.2f}")
    assert spread[1] / spread[0] == pytest.approx(truth, rel=0.3)
    assert design.features[:, 8].mean() == pytest.approx(1)
