"""Distances between groups under no difference (row 12): tokens cluster, so units are permuted."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from specgap.stats.distances import Floats, UnitHistograms, distances
from tests.support.measured import WORLDS, Measured

pytestmark = pytest.mark.simulation

#: Three standard errors of a share of .05 in 400 studies, and what a wrong unit rejects at least.
BAND, GUARD = (0.02, 0.08), (0.25, 1.0)
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


def hold(simulation: str, test: str, p_values: list[float], band: tuple[float, float], guard: bool) -> None:
    share = float(np.mean(np.array(p_values) <= 0.05))
    Measured(simulation, f"rejected, {test}", share, *band, WORLDS, guard=guard).hold()


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
    drawn = [[probabilities(rng, one, 0.0) for _ in range(2)] for _ in range(WORLDS)]
    wasserstein, ks = p_values([(histograms(a, one), histograms(b, one)) for a, b in drawn])
    name = "distributions alike, tokens cluster in units"
    hold(name, "Wasserstein-1, units permuted", wasserstein, BAND, guard=False)
    hold(name, "Kolmogorov–Smirnov, units permuted", ks, BAND, guard=False)
    naive = [ks_2samp(a.ravel(), b.ravel(), method="asymp").pvalue for a, b in drawn]
    hold(name, "Kolmogorov–Smirnov, tokens", naive, GUARD, guard=True)


@pytest.mark.parametrize("use_strata", [True, False])
def test_a_shift_of_one_stratum_is_no_difference_between_groups(use_strata: bool) -> None:
    rng = np.random.default_rng(813)
    strata = [np.arange(N_UNITS) < n for n in (4, 14)]
    studies = []
    for _ in range(WORLDS):
        drawn = [probabilities(rng, stratum, 0.6) for stratum in strata]
        known = strata if use_strata else [np.zeros(N_UNITS)] * 2
        a, b = (histograms(tokens, stratum) for tokens, stratum in zip(drawn, known, strict=True))
        studies.append((a, b))
    how = "permuted within strata" if use_strata else "strata ignored"
    band = BAND if use_strata else GUARD
    for kind, found in zip(("Wasserstein-1", "Kolmogorov–Smirnov"), p_values(studies), strict=True):
        hold("distributions of one stratum shifted", f"{kind}, {how}", found, band, guard=not use_strata)


def test_a_true_shift_is_found() -> None:
    rng, one = np.random.default_rng(814), np.zeros(N_UNITS, dtype=int)
    shifted = (
        [probabilities(rng, one, 0.0) for _ in range(WORLDS)],
        [probabilities(rng, one + 1, 0.3) for _ in range(WORLDS)],
    )
    wasserstein, _ = p_values(
        [(histograms(a, one), histograms(b, one)) for a, b in zip(*shifted, strict=True)]
    )
    hold("distributions one unit SD apart", "Wasserstein-1", wasserstein, (0.7, 1.0), guard=False)
