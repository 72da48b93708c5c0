"""Weighted log-odds against a loop over Monroe et al.'s formulas; the interval; what a planted token does."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specgap.stats import distinctive as module
from specgap.stats.distinctive import TokenCounts, log_odds, log_odds_interval

counted = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).filter(any), min_size=2, max_size=9)
#: Its rank by count, from 0, before anything is planted.
PLANTED = 77


def tokens_of(matrix: np.ndarray) -> TokenCounts:
    """Counts of units × tokens."""
    unit, token = np.nonzero(matrix)
    return TokenCounts(unit, token, matrix[unit, token], *matrix.shape)


def study(
    seed: int, *, planted: float = 1.0, n_units: int = 40, n_tokens: int = 200, spread: float = 0.45
) -> np.ndarray:
    """Zipf's law in 2 × n_units units; token PLANTED is `planted` times as frequent in the first half.

    `spread` is that of a token's rate between units, in shares of the rate.
    """
    rng = np.random.default_rng(seed)
    law = 1 / (np.arange(n_tokens) + 1.0)
    rates = law / law.sum() * rng.gamma(spread**-2, spread**2, (2 * n_units, n_tokens))
    rates[:n_units, PLANTED] *= planted
    return rng.poisson(300 * rates)


def first_half(n_units: int) -> np.ndarray:
    return np.arange(2 * n_units) < n_units


@given(counted, st.sampled_from([1.0, 500.0]))
def test_log_odds_and_z_are_those_of_a_loop_over_the_formulas(
    pairs: list[tuple[int, int]], prior_total: float
) -> None:
    n_in, n_out = (sum(column) for column in zip(*pairs, strict=True))
    inside, rest = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    delta, z = log_odds(inside, rest, prior_total=prior_total)
    for at, (y, x) in enumerate(pairs):
        alpha = (y + x) * prior_total / (n_in + n_out)
        of_group = math.log((y + alpha) / (n_in + prior_total - y - alpha))
        of_rest = math.log((x + alpha) / (n_out + prior_total - x - alpha))
        assert delta[at] == pytest.approx(of_group - of_rest, abs=1e-10)
        spread = math.sqrt(1 / (y + alpha) + 1 / (x + alpha))
        assert z[at] == pytest.approx((of_group - of_rest) / spread, abs=1e-10)


@given(counted)
def test_the_rest_against_the_group_is_the_same_with_the_other_sign(pairs: list[tuple[int, int]]) -> None:
    inside, rest = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    for one, other in zip(log_odds(inside, rest), log_odds(rest, inside), strict=True):
        np.testing.assert_allclose(one, -other, atol=1e-12)


def test_a_planted_token_ranks_first_by_z_and_only_26th_or_so_by_count() -> None:
    inside = first_half(40)
    for seed in range(20):
        matrix = study(seed, planted=3.0, spread=0.1)
        count, rest = (matrix[side].sum(axis=0).astype(float) for side in (inside, ~inside))
        _, z = log_odds(count, rest)
        by_count, by_z = (int((values > values[PLANTED]).sum()) + 1 for values in (count, z))
        print(f"planted token: {by_count} by count (band 15 to 40), {by_z} by z (wanted 1)")
        assert by_z == 1
        assert 15 <= by_count <= 40


def test_the_interval_is_that_of_a_loop_over_resampled_units() -> None:
    matrix, inside = study(2, planted=1.5, n_units=15), first_half(15)
    found = log_odds_interval(tokens_of(matrix), inside, np.array([0, PLANTED]), seed=1, draws=4000)
    assert found is not None
    rng, slow, prior = np.random.default_rng(3), [], matrix.sum(axis=0) * 500 / matrix.sum()
    for _ in range(4000):
        odds = []
        for side in (matrix[inside], matrix[~inside]):
            y = side[rng.integers(15, size=15)].sum(axis=0)
            odds.append(np.log((y + prior) / (y.sum() + 500 - y - prior)))
        slow.append((odds[0] - odds[1])[[0, PLANTED]])
    np.testing.assert_allclose(found, np.quantile(slow, [0.025, 0.975], axis=0), atol=0.02)


def test_the_interval_covers_no_difference_as_often_as_promised() -> None:
    covered = []
    for seed in range(200):
        matrix, inside = study(seed, n_tokens=80), first_half(40)
        found = log_odds_interval(tokens_of(matrix), inside, np.array([0, 10, 25]), seed=seed)
        assert found is not None
        covered += [low <= 0 <= high for low, high in zip(*found, strict=True)]
    share = float(np.mean(covered))
    print(f"coverage of the interval of three tokens {share:.3f}, band [.90, .98]")
    assert 0.90 <= share <= 0.98


@given(st.integers(0, 1000), st.permutations(range(12)))
def test_the_order_of_units_changes_no_number(seed: int, order: list[int]) -> None:
    matrix, inside, tokens = study(seed, n_units=6, n_tokens=80), first_half(6), np.array([0, 5])
    one = log_odds_interval(tokens_of(matrix), inside, tokens, seed=1, draws=20)
    other = log_odds_interval(tokens_of(matrix[order]), inside[order], tokens, seed=1, draws=20)
    assert one is not None
    assert other is not None
    assert np.array_equal(one, other)


def test_another_size_of_chunk_gives_an_interval_too(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, inside, tokens = study(1, n_units=6, n_tokens=80), first_half(6), np.array([0, 5])
    whole = log_odds_interval(tokens_of(matrix), inside, tokens, seed=1)
    monkeypatch.setattr(module, "AT_ONCE", 7)
    assert np.array_equal(whole, log_odds_interval(tokens_of(matrix), inside, tokens, seed=1))  # type: ignore[arg-type]


def test_one_unit_on_a_side_has_no_interval() -> None:
    matrix = study(1, n_units=2)
    assert log_odds_interval(tokens_of(matrix), np.arange(4) < 1, np.array([0]), seed=1) is None
    assert log_odds_interval(tokens_of(matrix), np.arange(4) < 3, np.array([0]), seed=1) is None
