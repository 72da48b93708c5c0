"""Both intervals of a rate against loops and the closed form, and where there is little to go by."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import beta, t

from specgap.stats.intervals import (
    BORROWED,
    NO_INNER,
    NO_OUTER,
    NO_SPREAD,
    NOTHING_LEFT,
    Rate,
    each_prompt,
    rates,
)
from specgap.stats.layout import Layout, Sums
from specgap.stats.ratio import logit_interval, ratio_of
from tests.support.group_worlds import World

WORLD = World(terms=(5, 4, 2, 1), plurals=(0,) * 4, effects=(0.0,) * 4, templates=6, term_sd=0.4)


def world(of: World = WORLD, seed: int = 1) -> tuple[Layout, Sums]:
    layout = of.layout()
    return layout, of.draw(layout, np.random.default_rng(seed))


def bounds(rate: float, se: float, freedom: int) -> tuple[float, float]:
    half = t.ppf(0.975, freedom) * se / (rate * (1 - rate))
    return float(expit(logit(rate) - half)), float(expit(logit(rate) + half))


def test_these_terms_is_the_closed_form_with_template_means_taken_away() -> None:
    layout, sums = world()
    assert layout.block is not None
    overall = [sums.part[layout.group == k].sum() / sums.whole[layout.group == k].sum() for k in range(4)]
    residual = np.array(
        [a - overall[k] * q for a, q, k in zip(sums.part, sums.whole, layout.group, strict=True)]
    )
    n = np.array([(layout.block == b).sum() for b in layout.block])
    centred = residual - np.array([residual[layout.block == b].mean() for b in layout.block])
    centred = centred * np.sqrt(n / (n - 1))
    for k, found in enumerate(rates(layout, sums)):
        own = centred[layout.group == k]
        n = len(own)
        se = np.sqrt(n / (n - 1) * (own**2).sum()) / sums.whole[layout.group == k].sum()
        assert found.these is not None
        assert found.these.se == pytest.approx(se, rel=1e-10)
        assert (found.these.low, found.these.high) == pytest.approx(bounds(overall[k], se, n - 1), rel=1e-10)


def test_without_templates_it_is_the_interval_of_a_ratio_over_prompts() -> None:
    layout, sums = world()
    for k, found in enumerate(rates(replace(layout, block=None), sums)):
        own = layout.group == k
        assert found.these is not None
        expected = logit_interval(ratio_of(sums.part[own], sums.whole[own]))
        assert (found.these.low, found.these.high) == pytest.approx(expected, rel=1e-10)


def test_terms_like_these_has_units_as_clusters_and_few_borrow_the_others_spread() -> None:
    layout, sums = world()
    found = rates(layout, sums)
    a, q, unit_rates = [], [], []
    for k in range(4):
        units = np.unique(layout.unit[layout.group == k])
        a.append(np.array([sums.part[layout.unit == u].sum() for u in units]))
        q.append(np.array([sums.whole[layout.unit == u].sum() for u in units]))
        unit_rates.append(a[k] / q[k])
    for k in (0, 1):
        expected = logit_interval(ratio_of(a[k], q[k]))
        assert found[k].like is not None
        assert (found[k].like.low, found[k].like.high) == pytest.approx(expected, rel=1e-10)  # type: ignore[union-attr]
        assert BORROWED not in found[k].notes
    freedom = sum(len(one) - 1 for one in unit_rates)
    spread = sum(((one - one.mean()) ** 2).sum() for one in unit_rates) / freedom
    for k in (2, 3):
        rate, se = a[k].sum() / q[k].sum(), np.sqrt(spread / len(a[k]))
        like = found[k].like
        assert like is not None
        assert (like.low, like.high) == pytest.approx(bounds(rate, se, freedom), rel=1e-10)
        assert BORROWED in found[k].notes


def test_a_group_with_all_accepted_has_clopper_and_pearsons_interval_for_its_worth_in_tokens() -> None:
    layout, sums = world()
    sums.part[layout.group == 1] = sums.whole[layout.group == 1]
    found = rates(layout, sums)
    used = [k for k in range(4) if k != 1]
    clustered, independent = 0.0, 0.0
    for k in used:
        ratio = ratio_of(sums.part[layout.group == k], sums.whole[layout.group == k])
        assert ratio.se is not None
        assert ratio.value is not None
        clustered += ratio.se**2
        independent += ratio.value * (1 - ratio.value) / ratio.whole
    effect = max(1.0, clustered / independent)
    assert found[1].these is not None
    assert found[1].these.high == 1
    assert found[1].these.low == pytest.approx(
        beta.ppf(0.025, sums.whole[layout.group == 1].sum() / effect, 1)
    )
    assert NO_SPREAD in found[1].notes
    # Over units a token is worth no more than over prompts, and less where units differ.
    assert found[1].like is not None
    assert found[1].like.low <= found[1].these.low


def test_a_mean_over_prompts_is_the_mean_with_the_standard_error_of_a_mean() -> None:
    layout, sums = world()
    own = sums.part[layout.group == 0] / sums.whole[layout.group == 0]
    found = rates(replace(layout, block=None), each_prompt(sums))[0]
    assert found.value == pytest.approx(own.mean())
    assert found.these is not None
    assert found.these.se == pytest.approx(own.std(ddof=1) / np.sqrt(len(own)))


def test_one_prompt_or_one_unit_in_all_has_no_interval_and_says_so() -> None:
    zero = np.zeros(1, dtype=np.int64)
    alone = Layout(("g",), ("",), ("u",), zero, zero, zero, None)
    found = rates(alone, Sums(np.array([3.0]), np.array([4.0])))[0]
    assert (found.value, found.these, found.like) == (0.75, None, None)
    assert {NO_INNER, NO_OUTER} <= set(found.notes)


def test_a_group_with_nothing_judged_has_no_rate_and_disturbs_no_other() -> None:
    layout, sums = world()
    before = rates(
        layout.kept(layout.group != 2), Sums(*(v[layout.group != 2] for v in (sums.part, sums.whole)))
    )
    sums.part[layout.group == 2] = sums.whole[layout.group == 2] = 0
    found = rates(layout, sums)
    assert found[2] == Rate(None, 0.0, 0, 0, None, None, None, ())
    assert [found[k] for k in (0, 1, 3)] == [before[k] for k in (0, 1, 3)]


def test_a_ratio_that_is_no_share_has_an_interval_on_the_logarithm() -> None:
    layout, sums = world()
    found = rates(layout, Sums(3 * sums.whole + sums.part, sums.whole), scale="log")[0]
    assert found.value is not None
    assert found.these is not None
    assert found.these.low * found.these.high == pytest.approx(found.value**2)
    flat = rates(layout, Sums(2 * sums.whole, sums.whole), scale="log")[0]
    assert (flat.value, flat.these) == (2.0, None)
    assert NOTHING_LEFT in flat.notes


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12),
    st.booleans(),
)
def test_any_counts_have_intervals_that_hold_the_rate_or_a_note(
    terms: list[int], templates: int, counts: list[tuple[int, int]], blocked: bool
) -> None:
    if not sum(terms):
        return
    layout = World(tuple(terms), (0,) * len(terms), templates, effects=(0.0,) * len(terms)).layout()
    layout = layout if blocked else replace(layout, block=None)
    at = np.resize(np.arange(len(counts)), len(layout))
    accepted, rejected = (np.array([pair[side] for pair in counts], dtype=float)[at] for side in (0, 1))
    for found in rates(layout, Sums(accepted, accepted + rejected)):
        for interval in (found.these, found.like):
            if interval is None:
                assert found.value is None or found.notes
            else:
                assert found.value is not None
                assert 0 <= interval.low <= found.value + 1e-12
                assert found.value - 1e-12 <= interval.high <= 1
