"""The exact theory against a plain simulation of speculative sampling, and against closed forms."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.markov_simulator import simulate
from tests.support.markov_theory import COUNTERS, Theory, block_efficiency

SEQUENCES = 20_000
RNG = np.random.default_rng(7)
TARGET = RNG.dirichlet(np.ones(5), 5)
DRAFT = 0.5 * TARGET + 0.5 * RNG.dirichlet(np.ones(5), 5)

LAWS = {
    "constant 1": Theory(TARGET, DRAFT, 1, 10),
    "constant 3, end of text": Theory(TARGET, DRAFT, 3, 16, eos=4),
    "constant 8": Theory(TARGET, DRAFT, 8, 20),
    "heuristic 5, end of text": Theory(TARGET, DRAFT, 5, 16, heuristic=True, eos=4),
    "threshold": Theory(TARGET, DRAFT, 8, 16, threshold=0.25, eos=4),
    "heuristic with threshold": Theory(TARGET, DRAFT, 5, 16, heuristic=True, threshold=0.3),
}


@pytest.mark.parametrize("name", LAWS)
def test_means_and_covariances_are_those_of_a_plain_simulation(name: str) -> None:
    law = LAWS[name]
    counts = simulate(law, np.full(SEQUENCES, 2), np.random.default_rng(11))
    # A mean of rarer events is not yet normal, and a standard error taken from the sample is off.
    often = SEQUENCES * law.mean(2) >= 500
    centred = (counts - law.mean(2))[:, often]
    products = (centred[:, :, None] * centred[:, None, :]).reshape(SEQUENCES, -1)
    z_mean = _z(counts, law.mean(2))[often]
    z_covariance = _z(products, law.covariance(2)[np.ix_(often, often)].ravel())
    for counter, measured, theory, z in zip(
        np.array(COUNTERS)[often], counts.mean(0)[often], law.mean(2)[often], z_mean, strict=True
    ):
        print(f"{name:26} {counter:11} simulated {measured:9.4f}  theory {theory:9.4f}  z {z:5.2f}  band 4")
    print(f"{name:26} {z_covariance.size} covariances: largest |z| {np.abs(z_covariance).max():.2f}  band 4")
    assert np.abs(z_mean).max() < 4
    assert np.abs(z_covariance).max() < 4


def test_a_wrong_rule_leaves_the_band() -> None:
    counts = simulate(LAWS["constant 3, end of text"], np.full(SEQUENCES, 2), np.random.default_rng(11))
    for wrong in (
        Theory(TARGET, DRAFT, 4, 16, eos=4),
        Theory(TARGET, DRAFT, 3, 15, eos=4),
        Theory(TARGET, DRAFT, 3, 16, eos=3),
        Theory(TARGET, DRAFT, 3, 16, threshold=0.25, eos=4),
        Theory(TARGET, DRAFT, 3, 16, heuristic=True, eos=4),
        Theory(TARGET, DRAFT @ DRAFT, 3, 16, eos=4),
    ):
        assert np.abs(_z(counts, wrong.mean(2))).max() > 10


def test_equal_rows_give_the_closed_form_of_leviathan_et_al() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    law = Theory(np.tile(p, (3, 1)), np.tile(q, (3, 1)), 3, 4)
    alpha = np.minimum(p, q).sum()
    first_round = Theory(law.target, law.draft, 3, 4).mean(0)
    by_hand = alpha * (1 + alpha + alpha**2)
    judged = {name: first_round[COUNTERS.index(name)] for name in ("judged_1", "accepted_1", "accepted_3")}
    longer = Theory(law.target, law.draft, 3, 400).mean(0)
    efficiency = longer[COUNTERS.index("emitted")] / longer[COUNTERS.index("rounds")]
    print(f"block efficiency {efficiency:.4f}, equation 1 {block_efficiency(alpha, 3):.4f}, cut ends differ")
    assert by_hand + 1 == pytest.approx(block_efficiency(alpha, 3))
    assert judged["accepted_3"] == pytest.approx(alpha**3)
    assert efficiency == pytest.approx(block_efficiency(alpha, 3), rel=0.01)


def _z(sample: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the sample's mean from theory in its own standard errors; 0 where both are one constant."""
    se = sample.std(axis=0) / np.sqrt(len(sample))
    distance = sample.mean(axis=0) - expected
    distance[np.abs(distance) < 1e-9] = 0
    return np.divide(distance, se, out=np.where(distance == 0, 0.0, np.inf), where=se > 0)
