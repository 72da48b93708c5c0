"""Distances between groups of units: against SciPy, against a loop, and what must not change a p-value."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from specgap.stats import distances as module
from specgap.stats import draws
from specgap.stats.distances import UnitHistograms, distances, distribution, quantiles

EDGES = np.array([np.linspace(0, 1, 9), np.linspace(-1, 1, 9)])
MIDDLE = (EDGES[:, :-1] + EDGES[:, 1:]) / 2


def units(
    n: int, seed: int, *, shift: float = 0.0, strata: int = 1, n_tokens: int | None = None
) -> UnitHistograms:
    """Units of uneven numbers of tokens in 2 quantities of 8 bins."""
    rng = np.random.default_rng(seed)
    law = np.exp(shift * np.arange(8) / 8)
    tokens = rng.integers(5, 50, n) if n_tokens is None else np.full(n, n_tokens)
    counts = np.stack([rng.multinomial(k, law / law.sum(), size=2) for k in tokens])
    return UnitHistograms(counts.astype(float), np.arange(n, dtype=np.int64) % strata)


def chosen(whole: UnitHistograms, at: list[int]) -> UnitHistograms:
    return UnitHistograms(whole.counts[at], whole.stratum[at])


def slow_distribution(group: UnitHistograms) -> np.ndarray:
    return np.mean([counts / counts.sum(axis=1, keepdims=True) for counts in group.counts], axis=0)


def test_wasserstein_is_scipys_of_the_middles_of_bins_with_units_of_one_weight() -> None:
    a, b = units(7, 1), units(4, 2, shift=0.5)
    found = distances(a, b, EDGES, seed=1, permutations=9)
    for at, (p, q) in enumerate(zip(slow_distribution(a), slow_distribution(b), strict=True)):
        slow = wasserstein_distance(MIDDLE[at], MIDDLE[at], p, q)
        assert found.wasserstein[at] == pytest.approx(slow, abs=1e-10)
        assert found.ks[at] == pytest.approx(np.abs(np.cumsum(p - q)).max(), abs=1e-10)


def test_a_unit_with_many_tokens_counts_no_more_than_another() -> None:
    a = UnitHistograms(np.array([[[1.0, 0.0]], [[0.0, 900.0]]]), np.zeros(2, dtype=np.int64))
    assert distribution(a).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("strata", [1, 2])
def test_p_values_agree_with_all_permutations_listed_by_a_loop(strata: int) -> None:
    a, b = units(4, 3, shift=1.0, strata=strata), units(4, 4, strata=strata)
    pool, stratum = np.concatenate([a.counts, b.counts]), np.concatenate([a.stratum, b.stratum])
    n_first = np.bincount(a.stratum)

    def gap(first: tuple[int, ...]) -> float:
        label = np.isin(np.arange(8), first)
        shares = pool / pool.sum(axis=2, keepdims=True)
        cumulated = np.cumsum(shares[label].mean(axis=0) - shares[~label].mean(axis=0), axis=1)
        return float(np.abs(cumulated[0]).sum() / 8)

    worlds = [w for w in combinations(range(8), 4) if (np.bincount(stratum[list(w)]) == n_first).all()]
    exact = np.mean([gap(world) >= gap((0, 1, 2, 3)) - 1e-12 for world in worlds])
    found = distances(a, b, EDGES, seed=5, permutations=20_000)
    assert found.p_wasserstein is not None
    assert found.p_wasserstein[0] == pytest.approx(exact, abs=0.015)


def test_a_p_value_is_never_zero_and_one_where_nothing_can_differ() -> None:
    far = distances(units(9, 1, shift=30), units(9, 2, shift=-30), EDGES, seed=1, permutations=99)
    assert far.p_ks is not None
    assert far.p_ks.tolist() == [0.01, 0.01]
    pair = distances(units(1, 1), units(1, 2), EDGES, seed=1, permutations=99)
    assert pair.p_wasserstein is not None
    assert pair.p_wasserstein.tolist() == [1.0, 1.0]


def test_groups_without_a_common_stratum_have_distances_and_no_test() -> None:
    a, b = units(3, 1), units(3, 2)
    b = UnitHistograms(b.counts, b.stratum + 1)
    found = distances(a, b, EDGES, seed=1, permutations=99)
    assert found.p_wasserstein is None
    assert found.p_ks is None
    assert found.wasserstein.min() > 0
    assert found.n_fixed == 6


def test_units_in_a_stratum_that_the_other_group_lacks_stay_where_they_are() -> None:
    a, b = units(5, 1), units(5, 2)
    a = UnitHistograms(a.counts, np.array([0, 0, 0, 0, 7]))
    assert distances(a, b, EDGES, seed=1, permutations=9).n_fixed == 1


@given(st.integers(0, 10**6), st.permutations(range(6)), st.permutations(range(4)))
def test_neither_the_order_of_units_nor_which_group_is_first_changes_a_number(
    seed: int, order_a: list[int], order_b: list[int]
) -> None:
    a, b = units(6, seed, strata=2, n_tokens=5), units(4, seed + 1, strata=2, n_tokens=5)
    one = distances(a, b, EDGES, seed=3, permutations=49)
    other = distances(chosen(b, order_b), chosen(a, order_a), EDGES, seed=3, permutations=49)
    for name in ("wasserstein", "ks", "p_wasserstein", "p_ks"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-12)


def test_twice_the_tokens_at_the_same_rates_change_nothing() -> None:
    a, b = units(6, 1), units(6, 2)
    twice = UnitHistograms(2 * a.counts, a.stratum)
    one, other = (distances(x, b, EDGES, seed=3, permutations=99) for x in (a, twice))
    assert np.array_equal(one.p_ks, other.p_ks)  # type: ignore[arg-type]
    assert np.array_equal(one.wasserstein, other.wasserstein)


def test_another_size_of_chunk_keeps_labels_of_every_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "AT_ONCE", 64)
    a, b = units(6, 1, strata=3), units(9, 2, strata=3)
    pool = module._Pool.of(a, b)
    labels = np.concatenate(list(module._permuted(pool, 1, 100)))
    assert labels.shape == (100, 15)
    for stratum in range(3):
        assert (labels[:, pool.stratum == stratum].sum(axis=1) == 2).all()
    assert len(np.unique(labels, axis=0)) > 50


def test_pairs_of_very_many_units_have_fewer_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LABELS", 100)
    monkeypatch.setattr(module, "FEWEST", 19)
    assert distances(units(5, 1), units(5, 2), EDGES, seed=1, permutations=999).permutations == 19


@given(st.lists(st.integers(0, 5), min_size=8, max_size=8).filter(any), st.floats(0.01, 0.99))
def test_quantiles_invert_the_cumulated_shares(counts: list[int], level: float) -> None:
    shares = np.array(counts) / sum(counts)
    (at,) = quantiles(shares, EDGES[0], (level,))
    assert np.interp(at, EDGES[0], [0.0, *np.cumsum(shares)]) == pytest.approx(level, abs=1e-9)


def test_a_quantile_between_two_heaps_is_the_end_of_the_lower_one() -> None:
    shares = np.array([0.5, 0, 0, 0, 0, 0, 0, 0.5])
    assert quantiles(shares, EDGES[0], (0.5,)).tolist() == [0.125]


def test_thirds_that_do_not_add_up_to_one_still_have_their_last_quantile() -> None:
    shares = np.array([1 / 3, 1 / 3, 1 / 3 - 1e-9, 0, 0, 0, 0, 0])
    assert quantiles(shares, EDGES[0], (1.0,))[0] == pytest.approx(0.375)
