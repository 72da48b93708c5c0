"""The test of all gaps against loops, full enumeration and what it must not depend on."""

from dataclasses import replace
from itertools import permutations as orders

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import studentized_range

from specgap.stats.design import NotEstimableError
from specgap.stats.gaps import Gaps, exceeding, gaps
from specgap.stats.layout import Floats, Layout, Sums
from tests.support.group_worlds import HONEST_PLURALS, HONEST_SINGULARS, World

PLURALS = World(terms=HONEST_SINGULARS, plurals=HONEST_PLURALS, term_sd=0.3, plural_shift=0.6)
SMALL = World(terms=(3, 2, 3), plurals=(1, 2, 0), effects=(0.0, 0.8, 0.0), templates=3, term_sd=0.5)


def world(of: World = SMALL, seed: int = 1) -> tuple[Layout, Sums]:
    layout = of.layout()
    return layout, of.draw(layout, np.random.default_rng(seed))


def slowly(layout: Layout, sums: Sums) -> tuple[Floats, Floats, Floats]:
    """Return contrasts, errors and their degrees of freedom by an explicit design, prompt by prompt."""
    rows: dict[tuple[int, int], list[int]] = {}
    for entry in range(len(layout)):
        if sums.whole[entry] > 0:
            rows.setdefault((int(layout.unit[entry]), int(layout.stratum[entry])), []).append(entry)
    group = {key: int(layout.group[of[0]]) for key, of in rows.items()}
    values = []
    for (unit, stratum), of in rows.items():
        cell = [
            e
            for (u, s), es in rows.items()
            if s == stratum and group[u, s] == group[unit, stratum]
            for e in es
        ]
        rate = sums.part[cell].sum() / sums.whole[cell].sum()
        width = sums.whole[cell].mean()
        values.append(np.mean([rate + (sums.part[e] - rate * sums.whole[e]) / width for e in of]))
    n_groups, n_strata = len(layout.groups), len(layout.strata)
    design = np.zeros((len(rows), n_groups + n_strata - 1))
    for at, key in enumerate(rows):
        design[at, group[key]] = 1
        if key[1]:
            design[at, n_groups + key[1] - 1] = 1
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ np.array(values)
    residuals = np.array(values) - design @ beta
    left = 1 - np.einsum("ij,jk,ik->i", design, inverse, design)
    stratum = np.array([s for _, s in rows])
    sigma = np.array(
        [(residuals[stratum == s] ** 2).sum() / left[stratum == s].sum() for s in range(n_strata)]
    )
    freedom = np.array([left[stratum == s].sum() for s in range(n_strata)])
    contrasts, ses, freedoms = [], [], []
    for a in range(n_groups):
        for b in range(a + 1, n_groups):
            row = (inverse @ design.T)[a] - (inverse @ design.T)[b]
            parts = np.array([(row[stratum == s] ** 2).sum() * sigma[s] for s in range(n_strata)])
            contrasts.append(beta[a] - beta[b])
            ses.append(np.sqrt(parts.sum()))
            freedoms.append(parts.sum() ** 2 / (parts**2 / freedom).sum())
    return np.array(contrasts), np.array(ses), np.array(freedoms)


@pytest.mark.slow
@pytest.mark.parametrize("of", [SMALL, PLURALS, World(term_sd=0.3)])
def test_contrasts_and_errors_equal_those_of_an_explicit_design(of: World) -> None:
    layout, sums = world(of)
    found = gaps(layout, sums, permutations=99, seed=1)
    contrast, se, freedom = slowly(layout, sums)
    np.testing.assert_allclose(found.contrast, contrast, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.se, se, rtol=1e-10)
    reach = studentized_range.ppf(0.95, len(layout.groups), freedom) / np.sqrt(2)
    # Of many different degrees of freedom the quantiles are approximations.
    near = 1e-9 if len(layout.strata) == 1 else 2e-3
    np.testing.assert_allclose((found.high - found.low) / 2, reach * se, rtol=near)
    np.testing.assert_allclose((found.high + found.low) / 2, contrast, rtol=1e-9, atol=1e-12)


def test_p_is_that_of_all_arrangements() -> None:
    layout, sums = world(World(terms=(3, 3), plurals=(0, 0), effects=(0.0, -0.9), templates=4, term_sd=0.4))
    greatest = np.abs(np.divide(*slowly(layout, sums)[:2]))
    as_large = []
    for order in orders(range(6)):
        # Term t stands where term order[t] stood.
        moved = replace(layout, group=(np.array(order) // 3)[layout.unit])
        as_large.append(bool((np.abs(np.divide(*slowly(moved, sums)[:2])) >= greatest - 1e-9).any()))
    exact = float(np.mean(as_large))
    found = gaps(layout, sums, permutations=9_999, seed=3)
    print(f"exact p {exact:.4f}, drawn {found.p:.4f}")
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9_999))


def test_the_step_down_counts_what_loops_count() -> None:
    rng = np.random.default_rng(4)
    statistic, null = rng.gamma(2, 1, 6), rng.gamma(2, 0.8, (50, 6))
    order = np.argsort(-statistic)
    counted = []
    for at, pair in enumerate(order):
        behind = order[at:]
        counted.append(sum(max(world[other] for other in behind) >= statistic[pair] for world in null))
    assert exceeding(statistic, null, order).tolist() == counted
    assert len(set(counted)) > 2


def test_adjusted_p_rise_as_statistics_fall_and_begin_with_that_of_no_difference() -> None:
    layout, sums = world(replace(PLURALS, effects=(0.3, -0.3, *[0.0] * 8)))
    found = gaps(layout, sums, permutations=199, seed=5)
    assert found.p == found.p_adjusted.min()
    order = np.argsort(-found.statistic, kind="stable")
    assert (np.diff(found.p_adjusted[order]) >= 0).all()
    single = [(1 + (found.worst_statistic >= t - 1e-9).sum()) / 200 for t in found.statistic]
    assert (found.p_adjusted <= np.array(single) + 1e-12).all()
    assert found.p == single[order[0]]


def test_a_term_with_prompts_in_several_strata_is_one_unit() -> None:
    of = World(terms=(5, 5), plurals=(0, 0), effects=(0.0, 0.0), templates=4, term_sd=0.4)
    layout, sums = world(of)
    crossed = replace(layout, stratum=np.tile([0, 1, 0, 1], 10), strata=("", "plural"))
    same(
        gaps(crossed, sums, permutations=199, seed=1),
        gaps(layout, sums, permutations=199, seed=1),
        {group: group for group in layout.groups},
    )


def test_the_least_p_is_the_share_of_arrangements_that_are_like_the_observed_one() -> None:
    def least(*terms: int) -> float:
        n = len(terms)
        found = gaps(*world(World(terms, (0,) * n, effects=(0.0,) * n)), permutations=9_999, seed=1)
        return found.least_p

    assert least(3, 3) == pytest.approx(2 / 20)
    assert least(2, 4) == pytest.approx(1 / 15)
    assert least(2, 2, 2) == pytest.approx(6 / 90)
    assert least(20, 20) == 1e-4


def same(one: Gaps, other: Gaps, moved: dict[str, str]) -> None:
    """Assert that two results say the same of each pair, groups being called otherwise in the second."""
    assert (one.p, one.freedom) == (other.p, other.freedom)
    np.testing.assert_allclose(one.worst_contrast, other.worst_contrast, rtol=1e-12, atol=1e-14)
    by_pair = {
        frozenset((other.groups[a], other.groups[b])): at for at, (a, b) in enumerate(other.pairs.tolist())
    }
    for at, (a, b) in enumerate(one.pairs.tolist()):
        there = by_pair[frozenset((moved[one.groups[a]], moved[one.groups[b]]))]
        assert one.p_adjusted[at] == other.p_adjusted[there]
        assert abs(one.contrast[at]) == pytest.approx(abs(other.contrast[there]), rel=1e-12, abs=1e-14)
        assert one.se[at] == pytest.approx(other.se[there], rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_neither_order_nor_names_of_entries_groups_terms_and_strata_change_anything(seed: int) -> None:
    layout, sums = world(PLURALS)
    rng = np.random.default_rng(seed)
    entries, renamed = rng.permutation(len(layout)), rng.permutation(len(layout.groups))
    units, strata = rng.permutation(len(layout.units)), rng.permutation(2)
    names = [""] * len(renamed)
    for old, new in enumerate(renamed):
        names[new] = f"another {old}"
    other = Layout(
        groups=tuple(names),
        strata=("y", "x"),
        units=layout.units,
        group=renamed[layout.group][entries],
        stratum=strata[layout.stratum][entries],
        unit=units[layout.unit][entries],
        block=None,
    )
    moved = {layout.groups[old]: names[new] for old, new in enumerate(renamed)}
    one = gaps(layout, sums, permutations=999, seed=9)
    same(one, gaps(other, Sums(sums.part[entries], sums.whole[entries]), permutations=999, seed=9), moved)


def test_twice_the_tokens_at_the_same_rates_change_nothing() -> None:
    layout, sums = world(PLURALS)
    one = gaps(layout, sums, permutations=999, seed=9)
    twice = gaps(layout, Sums(2 * sums.part, 2 * sums.whole), permutations=999, seed=9)
    same(one, twice, {group: group for group in layout.groups})


def test_p_is_never_zero() -> None:
    layout, sums = world(replace(PLURALS, effects=(3.0, *[0.0] * 9)))
    found = gaps(layout, sums, permutations=99, seed=1)
    assert found.p == 0.01
    assert found.p_adjusted.min() == 0.01


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (World(terms=(3,), plurals=(0,), effects=(0.0,)), "fewer than two groups"),
        (World(terms=(1, 1), plurals=(0, 0), effects=(0.0, 0.0)), "one unit per group"),
        (
            World(terms=(3, 0), plurals=(0, 3), effects=(0.0, 0.0)),
            "no two groups have units with prompts in",
        ),
    ],
)
def test_what_cannot_be_tested_is_said(of: World, reason: str) -> None:
    with pytest.raises(NotEstimableError, match=reason):
        gaps(*world(of), permutations=99, seed=1)


def test_where_all_is_accepted_there_is_no_spread_to_test_with() -> None:
    layout, sums = world(PLURALS)
    with pytest.raises(NotEstimableError, match=r"no spread between units$"):
        gaps(layout, Sums(sums.whole, sums.whole), permutations=99, seed=1)
    first = layout.group == 0
    with pytest.raises(NotEstimableError, match="no spread between units, though groups differ"):
        gaps(layout, Sums(np.where(first, sums.whole, 0.0), sums.whole), permutations=99, seed=1)


def test_pairs_that_share_no_stratum_are_left_out_and_the_others_tested() -> None:
    of = World(terms=(4, 4, 0, 0), plurals=(0, 0, 4, 4), effects=(0.0, 0.5, 0.0, 0.0), term_sd=0.2)
    found = gaps(*world(of), permutations=199, seed=1)
    assert found.comparable.tolist() == [True, False, False, False, False, True]
    assert (found.p_adjusted[~found.comparable] == 1).all()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=5),
    st.integers(1, 3),
    st.sampled_from(["some", "all", "none", "gaps"]),
    st.integers(0, 2**31),
)
def test_any_layout_has_finite_numbers_or_a_reason(
    sizes: list[tuple[int, int]], templates: int, accepted: str, seed: int
) -> None:
    terms, plurals = ([size[s] for size in sizes] for s in (0, 1))
    if not sum(terms) + sum(plurals):
        return
    of = World(tuple(terms), tuple(plurals), templates, effects=(0.0,) * len(sizes), term_sd=0.3)
    layout, sums = world(of, seed)
    if accepted == "gaps":
        sums.whole[::2] = 0
        sums.part[::2] = 0
    elif accepted != "some":
        sums = Sums(sums.whole if accepted == "all" else 0 * sums.whole, sums.whole)
    try:
        found = gaps(layout, sums, permutations=99, seed=seed)
    except NotEstimableError:
        return
    kept = found.comparable
    for values in (found.contrast, found.se, found.low, found.high, found.adjusted[: len(found.groups)]):
        assert np.isfinite(values[kept] if len(values) == len(kept) else values).all()
    assert (found.p_adjusted > 0).all()
    assert (found.p_adjusted <= 1).all()
    assert 0 < found.p <= 1
