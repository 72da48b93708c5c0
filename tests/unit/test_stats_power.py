"""Power against simulated normal units, and its inverse."""

import numpy as np
import pytest
from scipy.stats import norm, studentized_range

from specgap.stats.power import Spread, critical, power

SPREAD = Spread(variance=0.03**2, n_groups=6, n_strata=1)


def test_the_critical_distance_is_the_studentised_range_over_root_two() -> None:
    for freedom in (2, 7.5, 44, 800):
        exact = studentized_range.ppf(0.95, 6, freedom) / np.sqrt(2)
        assert critical(6, freedom) == pytest.approx(exact, rel=6e-3), freedom


@pytest.mark.parametrize("n_units", [3, 8, 30])
def test_the_detectable_gap_is_found_in_80_percent_of_simulated_studies(n_units: int) -> None:
    gap = SPREAD.detectable(n_units)
    assert gap is not None
    rng = np.random.default_rng(n_units)
    values = rng.normal(0, 0.03, (20_000, 6, n_units))
    values[:, 0] += gap
    spread = np.sqrt(values.var(axis=2, ddof=1).mean(axis=1) * 2 / n_units)
    statistic = np.abs(values[:, 0].mean(axis=1) - values[:, 1].mean(axis=1)) / spread
    found = float((statistic > studentized_range.ppf(0.95, 6, 6 * (n_units - 1)) / np.sqrt(2)).mean())
    print(f"{n_units} units: a gap of {gap:.4f} is found in {found:.4f} of studies, band .80 ± .015")
    assert found == pytest.approx(0.8, abs=0.015)


def test_a_gap_of_no_size_is_found_less_often_than_any_level_and_a_large_one_always() -> None:
    assert power(0.0, 0.01, 6, 40) < 0.05
    assert power(1.0, 0.01, 6, 40) == pytest.approx(1)


def test_with_endless_units_power_is_that_of_a_normal() -> None:
    limit = critical(6, 1e6)
    exact = norm.sf(limit - 3.5) + norm.cdf(-limit - 3.5)
    assert power(3.5, 1.0, 6, 1e6) == pytest.approx(exact, abs=1e-3)


def test_the_units_needed_for_a_gap_are_the_fewest_that_find_it() -> None:
    n = SPREAD.needed(0.02)
    assert n is not None
    more, fewer = SPREAD.detectable(n), SPREAD.detectable(n - 1)
    assert more is not None
    assert fewer is not None
    assert more <= 0.02 < fewer


def test_what_no_number_of_units_finds_is_none() -> None:
    assert SPREAD.needed(1e-9) is None
    assert SPREAD.detectable(1) is None
    assert Spread(0.001, 2, 3).detectable(1.5) is None
