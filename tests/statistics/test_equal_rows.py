"""A pair of equal rows: closed forms of Leviathan et al. 2023, and an acceptance that no schedule moves.

Every token is accepted with α = Σ min(p, q) = .7, whatever came before (theorem 3.5): sums of (flag − α) are
martingales and the bands are exact. For equation 1 and theorem 3.8 a round counts where the length limit
left room for all it asked for, which depends on the past alone.
"""

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.bands import BAND, distance
from tests.support.markov_runs import ALPHA, Run
from tests.support.markov_theory import block_efficiency, emitted_variance, speed_up

pytestmark = pytest.mark.slow

Traced = Callable[[str], Run]
GAMMAS = {"iid constant 1": 1, "iid constant 3": 3, "iid constant 8": 8}
SCHEDULES = (*GAMMAS, "iid heuristic 20", "iid heuristic 20, carried")
#: What one draft call costs in target calls; any number shows the same.
COST = 0.1


@pytest.mark.parametrize("name", GAMMAS)
def test_emitted_tokens_per_round_are_those_of_equation_1(traced: Traced, name: str) -> None:
    assert _efficiency_distance(traced(name), GAMMAS[name]) <= BAND


@pytest.mark.parametrize("name", GAMMAS)
def test_equation_1_with_another_gamma_leaves_the_band(traced: Traced, name: str) -> None:
    assert _efficiency_distance(traced(name), 2) > BAND


@pytest.mark.parametrize("name", GAMMAS)
def test_tokens_per_cost_are_those_of_theorem_3_8(traced: Traced, name: str) -> None:
    gamma, whole = GAMMAS[name], traced(name).rounds.query("censored == 0")
    measured = whole.emitted.sum() / (len(whole) + COST * whole.drafted.sum())
    se = np.sqrt(emitted_variance(ALPHA, gamma) / len(whole)) / (gamma * COST + 1)
    assert distance(f"{name}: speed-up", measured, speed_up(ALPHA, gamma, COST), se) <= BAND


@pytest.mark.parametrize("name", SCHEDULES)
def test_judged_acceptance_is_alpha_under_every_schedule(traced: Traced, name: str) -> None:
    totals = traced(name).totals
    judged = totals["accepted"] + totals["rejected"]
    se = np.sqrt(ALPHA * (1 - ALPHA) / judged)
    assert distance(f"{name}: acceptance rate", totals["accepted"] / judged, ALPHA, se) <= BAND


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_prompt_mean_is_alpha_under_every_schedule(traced: Traced, name: str) -> None:
    judged = traced(name).judged
    rates = (judged.verdict == 1).groupby(judged["prompt"]).mean()
    se = rates.std() / np.sqrt(len(rates))
    assert distance(f"{name}: prompt mean", rates.mean(), ALPHA, se) <= BAND


@pytest.mark.parametrize("name", SCHEDULES)
def test_conditional_acceptance_is_alpha_at_every_position(traced: Traced, name: str) -> None:
    totals = traced(name).totals
    for j in range(1, 9):
        judged = totals[f"judged_{j}"]
        if judged * ALPHA * (1 - ALPHA) < 5:
            break
        se = np.sqrt(ALPHA * (1 - ALPHA) / judged)
        assert distance(f"{name}: at {j}", totals[f"accepted_{j}"] / judged, ALPHA, se) <= BAND


def test_accepted_per_drafted_depends_on_the_schedule(traced: Traced) -> None:
    rates = {name: traced(name).rate("accepted", "drafted") for name in SCHEDULES}
    print(rates, "wanted a spread above .3")
    assert max(rates.values()) - min(rates.values()) > 0.3


def test_carried_state_moves_accepted_per_drafted_and_not_the_acceptance_rate(traced: Traced) -> None:
    fresh, carried = traced("iid heuristic 20"), traced("iid heuristic 20, carried")
    gap = carried.rate("accepted", "drafted") - fresh.rate("accepted", "drafted")
    judged = [run.rate("accepted", "accepted", "rejected") for run in (fresh, carried)]
    n = [len(run.judged) for run in (fresh, carried)]
    se = np.sqrt(ALPHA * (1 - ALPHA) * (1 / n[0] + 1 / n[1]))
    print(f"accepted per drafted: carried − fresh {gap:.3f}, wanted above .1")
    assert gap > 0.1
    assert distance("acceptance rate, carried and fresh", judged[1], judged[0], se) <= BAND


def _efficiency_distance(run: Run, gamma: int) -> float:
    whole = run.rounds.query("censored == 0")
    se = np.sqrt(emitted_variance(ALPHA, gamma) / len(whole))
    theory = block_efficiency(ALPHA, gamma)
    return distance(f"block efficiency, γ {gamma}", whole.emitted.mean(), theory, se)
