"""Differences paired by prompt against loops, and where there is little to go by."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from specgap.stats.clusters import weighted_error
from specgap.stats.intervals import BORROWED, NO_INNER, NO_OUTER
from specgap.stats.layout import Floats, Ints, Layout, Sums
from specgap.stats.paired import (
    NO_CHANGE_OF_STRATA,
    NO_SPREAD_INNER,
    NO_SPREAD_OUTER,
    NOT_BOTH,
    Difference,
    differences,
    holm,
)
from specgap.stats.ratio import clustered_se
from tests.support.group_worlds import World

WORLD = World(terms=(5, 4, 2, 1), plurals=(0,) * 4, effects=(0.0,) * 4, templates=6, term_sd=0.4)


def two(of: World = WORLD, seed: int = 1) -> tuple[Layout, Sums, Sums, Ints]:
    """Return one layout counted twice with draws of its own, and a number for each prompt."""
    layout, rng = of.layout(), np.random.default_rng(seed)
    return layout, of.draw(layout, rng), of.draw(layout, rng), np.arange(len(layout))


def shares(layout: Layout, a: Sums, b: Sums, k: int) -> Floats:
    """Each entry's share in the error of R_a − R_b, by the book."""
    own = layout.group == k
    found = np.zeros(len(layout))
    for sign, one in ((1, a), (-1, b)):
        rate = one.part[own].sum() / one.whole[own].sum()
        found[own] += sign * (one.part[own] - rate * one.whole[own]) / one.whole[own].sum()
    return found


def weighed(shares: Floats, weights: Floats) -> tuple[float, float]:
    """SE and degrees of freedom by matrices: unbiased where clusters differ in nothing but their weight."""
    residual_of = np.eye(len(weights)) - np.outer(np.ones(len(weights)), weights)
    left = np.diag(residual_of @ residual_of.T)
    form = residual_of.T @ np.diag(weights**2 / left) @ residual_of
    freedom = np.trace(form) ** 2 / np.trace(form @ form)
    return float(np.sqrt((shares**2 / left).sum())), float(freedom)


def test_the_outer_interval_sums_paired_shares_by_unit() -> None:
    layout, a, b, prompt = two()
    for k, found in enumerate(differences(layout, a, b, prompt)[:2]):
        own = layout.group == k
        value = a.part[own].sum() / a.whole[own].sum() - b.part[own].sum() / b.whole[own].sum()
        units = np.unique(layout.unit[own])
        summed = np.array([shares(layout, a, b, k)[layout.unit == unit].sum() for unit in units])
        weights = np.mean(
            [[one.whole[layout.unit == u].sum() for u in units] / one.whole[own].sum() for one in (a, b)],
            axis=0,
        )
        se, freedom = weighed(summed, weights)
        assert freedom < len(units) - 1
        half = t.ppf(0.975, freedom) * se
        assert found.value == pytest.approx(value, abs=1e-10)
        assert found.like is not None
        assert (found.like.low, found.like.high) == pytest.approx((value - half, value + half), abs=1e-10)
        assert found.p == pytest.approx(2 * t.sf(abs(value) / se, freedom), abs=1e-10)


def test_clusters_of_one_weight_have_the_plain_error_and_one_degree_less() -> None:
    shares = np.random.default_rng(3).normal(size=7)
    se, freedom = weighted_error(shares, np.full(7, 1 / 7))
    assert (se, freedom) == pytest.approx((clustered_se(shares), 6), abs=1e-12)
    assert weighted_error(shares, np.array([0.7, *[0.05] * 6]))[1] < 2


def test_the_inner_interval_takes_template_means_away() -> None:
    layout, a, b, prompt = two()
    assert layout.block is not None
    residual = np.zeros((2, len(layout)))
    for side, one in enumerate((a, b)):
        for k in range(4):
            own = layout.group == k
            residual[side, own] = one.part[own] - one.part[own].sum() / one.whole[own].sum() * one.whole[own]
        for block in np.unique(layout.block):
            of = layout.block == block
            residual[side, of] -= residual[side, of].mean()
            residual[side, of] *= np.sqrt(of.sum() / (of.sum() - 1))
    for k, found in enumerate(differences(layout, a, b, prompt)):
        own = layout.group == k
        own_share = residual[0, own] / a.whole[own].sum() - residual[1, own] / b.whole[own].sum()
        assert found.these is not None
        assert found.these.se == pytest.approx(
            np.sqrt(own.sum() / (own.sum() - 1) * (own_share**2).sum()), abs=1e-10
        )


def test_a_group_of_two_units_borrows_the_spread_of_unit_differences() -> None:
    layout, a, b, prompt = two()
    found = differences(layout, a, b, prompt)
    squares, freedom = 0.0, 0
    for k in range(4):
        units = [layout.unit == u for u in np.unique(layout.unit[layout.group == k])]
        gaps = np.array(
            [a.part[u].sum() / a.whole[u].sum() - b.part[u].sum() / b.whole[u].sum() for u in units]
        )
        squares, freedom = squares + ((gaps - gaps.mean()) ** 2).sum(), freedom + len(gaps) - 1
    for k, m in ((2, 2), (3, 1)):
        like = found[k].like
        assert like is not None
        assert like.se == pytest.approx(np.sqrt(squares / freedom / m), abs=1e-10)
        assert BORROWED in found[k].notes


def test_the_change_is_the_difference_less_that_of_all_other_prompts() -> None:
    layout, a, b, prompt = two()
    found = differences(layout, a, b, prompt)[0]
    others = replace(layout, group=np.where(layout.group == 0, 0, 1), groups=("own", "others"))
    own, other = differences(others, a, b, prompt)
    assert own.value is not None
    assert other.value is not None
    assert own.like is not None
    assert other.like is not None
    assert found.change == pytest.approx(own.value - other.value, abs=1e-10)
    assert found.change_like is not None
    assert found.change_like.se == pytest.approx(np.hypot(own.like.se, other.like.se), abs=1e-10)


def test_a_prompt_in_two_groups_is_no_other_of_either_and_counts_once_among_the_others() -> None:
    layout, a, b, prompt = two()
    assert layout.block is not None
    doubled = np.concatenate([np.arange(len(layout)), np.flatnonzero(layout.group == 2)])
    again = replace(
        layout,
        group=np.append(layout.group, np.full(len(doubled) - len(layout), 1)),
        stratum=layout.stratum[doubled],
        unit=np.append(layout.unit, layout.unit[doubled[len(layout) :]] + 100),
        block=layout.block[doubled],
    )
    more = [Sums(one.part[doubled], one.whole[doubled]) for one in (a, b)]
    plain, found = differences(layout, a, b, prompt), differences(again, *more, prompt[doubled])
    for k in (0, 2, 3):
        assert found[k].change == pytest.approx(plain[k].change, abs=1e-12)
    assert found[1].change != pytest.approx(plain[1].change, abs=1e-3)


def numbers(found: Difference, sign: int = 1) -> list[float]:
    of = [found.these, found.like, found.change_like]
    ends = [(one.low, one.high) for one in of if one is not None]
    ends = [(low, high) if sign > 0 else (-high, -low) for low, high in ends]
    assert found.value is not None
    assert found.change is not None
    assert found.p is not None
    return [sign * found.value, sign * found.change, found.p, *(end for pair in ends for end in pair)]


def test_the_order_of_prompts_changes_nothing_and_that_of_the_rates_only_signs() -> None:
    layout, a, b, prompt = two()
    at = np.random.default_rng(7).permutation(len(layout))
    assert layout.block is not None
    shuffled = replace(
        layout, group=layout.group[at], stratum=layout.stratum[at], unit=layout.unit[at],
        block=layout.block[at],
    )  # fmt: skip
    mixed = [Sums(one.part[at], one.whole[at]) for one in (a, b)]
    swapped = differences(layout, b, a, prompt)
    same = differences(shuffled, *mixed, prompt[at])
    for one, other, turned in zip(differences(layout, a, b, prompt), same, swapped, strict=True):
        assert numbers(other) == pytest.approx(numbers(one), abs=1e-12)
        assert numbers(turned, sign=-1) == pytest.approx(numbers(one), abs=1e-12)
        assert one.notes == other.notes == turned.notes


def test_prompts_that_count_for_one_alone_are_left_out_of_both() -> None:
    layout, a, b, prompt = two()
    gone = np.arange(0, len(layout), 7)
    b.part[gone] = b.whole[gone] = 0
    kept = np.setdiff1d(np.arange(len(layout)), gone)
    mask = np.isin(np.arange(len(layout)), kept)
    fewer = differences(
        layout.kept(mask), *(Sums(one.part[kept], one.whole[kept]) for one in (a, b)), prompt[kept]
    )
    assert differences(layout, a, b, prompt) == fewer
    assert fewer[0].n_prompts < (layout.group == 0).sum()


def test_what_cannot_be_estimated_says_so() -> None:
    layout, a, b, prompt = two()
    b.part[layout.group == 1] = b.whole[layout.group == 1] = 0
    nothing = differences(layout, a, b, prompt)[1]
    assert (nothing.value, nothing.p, nothing.notes) == (None, None, (NOT_BOTH,))
    alike = differences(layout, a, a, prompt)[0]
    assert (alike.value, alike.these, alike.like, alike.p) == (0.0, None, None, None)
    assert {NO_SPREAD_INNER, NO_SPREAD_OUTER} <= set(alike.notes)
    zero = np.zeros(1, dtype=np.int64)
    alone = Layout(("g",), ("",), ("u",), zero, zero, zero, None)
    one = differences(alone, Sums(*np.array([[3.0], [4.0]])), Sums(*np.array([[1.0], [4.0]])), zero)[0]
    assert (one.value, one.these, one.like, one.change) == (0.5, None, None, None)
    b.part[layout.group == 0], b.whole[layout.group == 0] = (
        a.part[layout.group == 0],
        a.whole[layout.group == 0],
    )
    without = differences(layout, a, b, prompt)[0]
    assert without.change is not None
    assert (without.change_like, without.change_p) == (None, None)
    assert {NO_INNER, NO_OUTER} <= set(one.notes)


def test_no_interval_reaches_beyond_what_a_difference_can_be() -> None:
    world = World(terms=(2,), plurals=(0,), effects=(0.0,), templates=1, term_sd=3.0, judged=9)
    for seed in range(20):
        for found in differences(*two(world, seed)):
            if found.like is not None:
                assert -1 <= found.like.low <= found.like.high <= 1


def test_there_is_no_change_where_prompts_are_in_several_strata() -> None:
    world = World(terms=(5, 4), plurals=(3, 3), effects=(0.0, 0.0), templates=6, term_sd=0.4)
    for found in differences(*two(world)):
        assert found.value is not None
        assert (found.change, found.change_like) == (None, None)
        assert NO_CHANGE_OF_STRATA in found.notes


def test_holm_is_the_step_down_of_bonferroni() -> None:
    assert holm([0.04, 0.01, None, 0.03]) == pytest.approx([0.06, 0.03, None, 0.06])
    assert holm([None]) == [None]
