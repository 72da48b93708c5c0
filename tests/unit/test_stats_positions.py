"""Bands by draft position and rates at one mix of positions."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import t

from specgap.stats.positions import FEW_UNITS, by_unit, position_bands, standardised_rates
from specgap.tables.layout import Entries, entries
from specgap.tables.membership import Group, groups_in
from specgap.tables.standardised import COLUMNS, counts_by_position, standardised_acceptance
from tests.support.records import prompt_set, row

JUDGED = np.array([[9, 4, 0], [8, 5, 2], [7, 3, 1], [9, 6, 0], [6, 2, 0]])
ACCEPTED = np.array([[4, 3, 0], [5, 2, 1], [3, 1, 0], [6, 4, 0], [5, 2, 0]])
UNIT = np.array([7, 3, 7, 5, 9])


def test_a_band_is_the_interval_of_a_ratio_over_units() -> None:
    first, second, third = position_bands(JUDGED, ACCEPTED, UNIT)
    q, a = np.array([16, 8, 9, 6]), np.array([7, 5, 6, 5])
    rate = a.sum() / q.sum()
    se = np.sqrt(4 / 3 * np.square(a - rate * q).sum()) / q.sum()
    ends = expit(logit(rate) + np.array([-1, 1]) * t.ppf(0.975, 3) * se / (rate * (1 - rate)))
    assert first.value == pytest.approx(rate, abs=1e-12)
    assert first.interval == pytest.approx(tuple(ends), abs=1e-10)
    assert (first.n_units, second.n_units, third.n_units) == (4, 4, 2)
    assert (third.value, third.interval, third.note) == (1 / 3, None, FEW_UNITS)


def test_a_position_where_nothing_was_judged_has_words() -> None:
    nothing = np.zeros((2, 1), dtype=np.int64)
    [band] = position_bands(nothing, nothing, np.arange(2))
    assert (band.value, band.interval, band.n_units, band.note) == (None, None, 0, "nothing judged")
    assert position_bands(nothing[:0], nothing[:0], np.arange(0))[0].note == "nothing judged"


def test_all_accepted_has_an_interval_that_is_not_a_point() -> None:
    judged = np.tile([[10, 5]], (6, 1))
    bands = position_bands(judged, np.column_stack([judged[:, 0], [1, 2, 3, 1, 2, 5]]), np.arange(6))
    low, high = bands[0].interval or (0, 0)
    assert high == 1
    assert 0.8 < low < 0.98


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_sums_by_unit_are_those_of_a_loop(rows: list[tuple[int, int, int]]) -> None:
    units = np.array([u for u, _, _ in rows])
    counts = np.array([values for _, *values in rows])
    wanted = [[sum(r[c] for r in rows if r[0] == u) for c in (1, 2)] for u in sorted(set(units.tolist()))]
    assert by_unit(counts, units).tolist() == wanted


def test_a_standardised_rate_is_the_weighted_mean_of_conditional_acceptance() -> None:
    other = (
        np.array([[3, 0, 0], [5, 4, 0], [4, 2, 0]]),
        np.array([[1, 0, 0], [4, 2, 0], [2, 2, 0]]),
        np.arange(3),
    )
    found = standardised_rates([(JUDGED, ACCEPTED, UNIT), other])
    assert found.reached.tolist() == [0, 1], "the second group has nothing judged at the third position"
    pooled = np.array([39 + 12, 20 + 6])
    assert found.weights == pytest.approx(pooled / pooled.sum())
    h = [np.array([23 / 39, 12 / 20]), np.array([7 / 12, 4 / 6])]
    for band, rates in zip(found.groups, h, strict=True):
        assert band.value == pytest.approx(float(rates @ pooled) / pooled.sum(), abs=1e-12)
    assert [band.n_units for band in found.groups] == [4, 3]


def test_the_error_of_a_standardised_rate_is_that_of_its_linearisation() -> None:
    """The jackknife over units, weights held, gives the same variance for small changes."""
    rng = np.random.default_rng(1)
    n = 400
    judged = rng.integers(20, 40, (n, 3))
    accepted = rng.binomial(judged, rng.beta(8, 4, (n, 1)) * np.array([1, 0.9, 0.8]))
    found = standardised_rates([(judged, accepted, np.arange(n))])
    low, high = found.groups[0].interval or (0, 0)
    value = found.groups[0].value or 0
    q, a = judged.sum(axis=0), accepted.sum(axis=0)
    left = ((a - accepted) / (q - judged)) @ found.weights
    jackknife = np.sqrt((n - 1) / n * np.square(left - left.mean()).sum())
    half = (logit(high) - logit(low)) / 2 * value * (1 - value) / t.ppf(0.975, n - 1)
    assert half == pytest.approx(jackknife, rel=0.01)


def test_standardised_intervals_hold_the_truth() -> None:
    rng, runs, held = np.random.default_rng(2), 400, 0
    hazards = np.array([0.85, 0.8, 0.7])
    truth = expit(logit(hazards) + rng.normal(0, 0.5, (200_000, 1))).mean(axis=0)
    for _ in range(runs):
        easy = expit(logit(hazards) + rng.normal(0, 0.5, (12, 1)))
        judged = rng.integers(10, 30, (12, 3)) * np.array([3, 2, 1])
        found = standardised_rates([(judged, rng.binomial(judged, easy), np.arange(12))])
        low, high = found.groups[0].interval or (0, 0)
        held += low <= float(truth @ found.weights) <= high
    print(f"coverage of 12 units {held / runs:.3f}, wanted .91 to .98")
    assert 0.91 <= held / runs <= 0.98


def test_all_or_none_accepted_have_intervals_that_are_not_points() -> None:
    judged = np.tile([[7, 5, 3]], (9, 1))
    found = standardised_rates([(judged, judged, np.arange(9)), (judged, judged * 0, np.arange(9))])
    everything, nothing = found.groups
    assert (everything.value, nothing.value) == (1, 0)
    # 135 tokens at the very mix of positions that is the standard.
    assert everything.interval == pytest.approx((0.025 ** (1 / 135), 1))
    assert nothing.interval == pytest.approx((0, 1 - 0.025 ** (1 / 135)))


def test_no_common_position_and_nothing_judged_are_notes() -> None:
    one, two = np.array([[3, 0]]), np.array([[0, 3]])
    apart = standardised_rates([(one, one, np.arange(1)), (two, two, np.arange(1))])
    assert [band.note for band in apart.groups] == ["no position in all groups"] * 2
    nothing = standardised_rates([(one, one, np.arange(1)), (one * 0, one * 0, np.arange(1))])
    assert [band.value for band in nothing.groups] == [1.0, None]
    assert nothing.groups[1].note == "nothing judged"
    assert [b.value for b in standardised_rates([(one * 0, one * 0, np.arange(1))]).groups] == [None]


def test_a_hundred_thousand_prompts_and_forty_positions_take_seconds() -> None:
    rng = np.random.default_rng(3)
    judged = rng.integers(0, 5, (100_000, 40), dtype=np.int32)
    n = np.arange(100_000)
    start = time.perf_counter()
    position_bands(judged, judged // 2, n // 15)
    standardised_rates(
        [(judged[::2], judged[::2] // 2, np.arange(50_000)), (judged, judged, np.arange(100_000))]
    )
    print(f"{time.perf_counter() - start:.1f} s, wanted below 5")
    assert time.perf_counter() - start < 5


# The table -------------------------------------------------------------------------------------------


def study() -> tuple[list[Group], Entries]:
    rows = [row(f"{g}{n}", *g, term=f"{g}{n}") for g in ("f", "m") for n in range(3)] + [
        row("both", "f", "m")
    ]
    groups = groups_in(prompt_set(*rows), "category")
    return groups, entries(groups, {})


def test_the_table_has_the_rate_of_all_positions_beside_that_of_the_common_ones() -> None:
    groups, found = study()
    positions = {prompt: {1: (4, 3), 2: (3, 1)} for prompt in groups[0].prompts}
    positions |= {prompt: {1: (4, 3), 2: (3, 1), 4: (1, 1)} for prompt in groups[1].prompts}
    table = standardised_acceptance(groups, found, positions, mode="sampled")
    assert tuple(table.columns) == COLUMNS
    f, m = table.to_dict("records")
    assert f["n_positions"] == 3, "the prompt in both groups has a token at the fourth position"
    assert m["acceptance_rate"] == 5 / 8
    assert m["standardised_rate"] == pytest.approx((32 * 0.75 + 24 / 3 + 5) / 61)
    assert f["standardised_low"] is not None
    alone = {prompt: at for prompt, at in positions.items() if prompt not in groups[0].prompts[3:]}
    one, other = standardised_acceptance(groups, found, alone, mode="sampled").to_dict("records")
    assert one["n_positions"] == 2
    assert "12.5 % of judged tokens at positions that not all groups reach" in other["note"]


def test_the_table_of_nothing_is_words() -> None:
    groups, found = study()
    for one in standardised_acceptance(groups, found, {}, mode="greedy").to_dict("records"):
        assert one["standardised_rate"] is None
        assert one["acceptance_rate"] is None
        assert "nothing judged" in one["note"]


def test_counts_by_position_keep_listed_order_and_repeats() -> None:
    judged, accepted = counts_by_position([5, 6, 5], {5: {2: (3, 1)}, 7: {9: (1, 1)}})
    assert judged.tolist() == [[0, 3], [0, 0], [0, 3]]
    assert accepted.tolist() == [[0, 1], [0, 0], [0, 1]]
