"""How far a run's counts and rates lie from what theory expects, in its standard errors, each printed."""

from tests.support.bands import distance
from tests.support.markov_runs import Counted, Expected
from tests.support.markov_theory import POSITIONS, Theory

COUNTS = ("rounds", "cut", "drafted", "accepted", "rejected", "discarded", "emitted", "overlap")
RATES: dict[str, tuple[str, ...]] = {
    "acceptance_rate": ("accepted", "accepted", "rejected"),
    "overlap": ("overlap", "accepted", "rejected"),
    "draft_acceptance_rate": ("accepted", "drafted"),
    "token_acceptance_ratio": ("accepted", "emitted"),
    "block_efficiency": ("emitted", "rounds"),
    "gamma_mean": ("drafted", "rounds"),
    "share_cut": ("cut", "rounds"),
}
#: A share of fewer judged tokens is not yet normal.
ENOUGH = 40


def count_distances(run: Counted, law: Theory) -> dict[str, float]:
    """Compare the totals of `COUNTS`."""
    expected = Expected.of(law, run)
    return {name: distance(name, run.totals[name], *expected.total(name)) for name in COUNTS}


def rate_distances(run: Counted, law: Theory) -> dict[str, float]:
    """Compare the rates of `RATES`."""
    expected = Expected.of(law, run)
    return {
        name: distance(name, run.rate(part, *whole), *expected.rate(part, *whole))
        for name, (part, *whole) in RATES.items()
    }


def position_distances(run: Counted, law: Theory) -> dict[str, float]:
    """Compare conditional acceptance and survival at each draft position that was judged often enough."""
    expected, distances = Expected.of(law, run), {}
    for j in range(1, min(law.gamma, POSITIONS) + 1):
        judged, accepted = f"judged_{j}", f"accepted_{j}"
        if expected.total(judged)[0] < ENOUGH:
            continue
        for name, (part, whole) in {
            f"conditional_acceptance at {j}": (accepted, judged),
            f"survival at {j}": (accepted, "rounds"),
        }.items():
            distances[name] = distance(name, run.rate(part, whole), *expected.rate(part, whole))
    return distances
