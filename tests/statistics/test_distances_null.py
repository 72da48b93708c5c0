"""Distances between groups under no difference (row 12): tokens cluster, so units are permuted."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from specgap.stats.distances import Floats, UnitHistograms, distances

R = 400
#: Three standard errors of a share of .05 in 400 studies.
BAND = (0.02, 0.08)
N_UNITS = 20
EDGES = np.linspace(0, 1, 65)[None, :]


def probabilities(rng: np.random.Generator, stratum: np.ndarray, shift: float) -> Floats:
    """Return the tokens of each unit, (units, tokens): p of a token, alike within a unit."""
    unit = rng.normal(0, 0.3, (len(stratum), 1)) + shift * stratum[:, None]
    return 1 / (1 + np.exp(-(unit + rng.normal(0, 1, (len(stratum), 60)))))


def histograms(tokens: Floats, stratum: np.ndarray) -> UnitHistograms:
    bins = np.minimum((tokens * 64).astype(int), 63) + 64 * np.arange(len(tokens))[:, None]
    counts = np.bincount(bins.ravel(), minlength=64 * len(tokens)).reshape(-1, 1, 64)
    return UnitHistograms(counts.astype(float), stratum.astype(np.int64))


def rejected(p_values: list[float], name: str, band: str) -> float:
    share = float(np.mean(np.array(p_values) <= 0.05))
    print(f"{name:50} rejects {share:.3f}, band {band}")
    return share


def p_values(studies: list[tuple[UnitHistograms, UnitHistograms]]) -> tuple[list[float], list[float]]:
    wasserstein, ks = [], []
    for seed, (a, b) in enumerate(studies):
        found = distances(a, b, EDGES, seed=seed, permutations=199)
        assert found.p_wasserstein is not None
        assert found.p_ks is not None
        wasserstein.append(float(found.p_wasserstein[0]))
        ks.append(float(found.p_ks[0]))
    return wasserstein, ks


def test_permuted_units_reject_as_often_as_promised_and_tokens_far_more_often() -> None:
    rng, one = np.random.default_rng(812), np.zeros(N_UNITS, dtype=int)
    drawn = [[probabilities(rng, one, 0.0) for _ in range(2)] for _ in range(R)]
    wasserstein, ks = p_values([(histograms(a, one), histograms(b, one)) for a, b in drawn])
    assert BAND[0] <= rejected(wasserstein, "Wasserstein-1, units permuted", "[.02, .08]") <= BAND[1]
    assert BAND[0] <= rejected(ks, "Kolmogorov–Smirnov, units permuted", "[.02, .08]") <= BAND[1]
    naive = [ks_2samp(a.ravel(), b.ravel(), method="asymp").pvalue for a, b in drawn]
    assert rejected(naive, "Kolmogorov–Smirnov, tokens (guard)", "> .25") > 0.25


@pytest.mark.parametrize("use_strata", [True, False])
def test_a_shift_of_one_stratum_is_no_difference_between_groups(use_strata: bool) -> None:
    rng = np.random.default_rng(813)
    strata = [np.arange(N_UNITS) < n for n in (4, 14)]
    studies = []
    for _ in range(R):
        drawn = [probabilities(rng, stratum, 0.6) for stratum in strata]
        known = strata if use_strata else [np.zeros(N_UNITS)] * 2
        a, b = (histograms(tokens, stratum) for tokens, stratum in zip(drawn, known, strict=True))
        studies.append((a, b))
    name = "permuted within strata" if use_strata else "permuted over strata (guard)"
    for kind, found in zip(("Wasserstein-1", "Kolmogorov–Smirnov"), p_values(studies), strict=True):
        share = rejected(found, f"{kind}, {name}", "[.02, .08]" if use_strata else "> .25")
        assert BAND[0] <= share <= BAND[1] if use_strata else share > 0.25


def test_a_true_shift_is_found() -> None:
    rng, one = np.random.default_rng(814), np.zeros(N_UNITS, dtype=int)
    shifted = (
        [probabilities(rng, one, 0.0) for _ in range(R)],
        [probabilities(rng, one + 1, 0.3) for _ in range(R)],
    )
    wasserstein, _ = p_values(
        [(histograms(a, one), histograms(b, one)) for a, b in zip(*shifted, strict=True)]
    )
    assert rejected(wasserstein, "Wasserstein-1, one unit SD apart", "> .7") > 0.7
