"""Target and draft alike: nothing can be rejected, sampled or greedy."""

from collections.abc import Callable

import pandas as pd
import pytest

from tests.support.markov_runs import Run

pytestmark = pytest.mark.slow

Traced = Callable[[str], Run]
both_modes = pytest.mark.parametrize("name", ["equal models", "equal models, greedy"])


@both_modes
def test_acceptance_is_exactly_1(traced: Traced, name: str) -> None:
    run = traced(name)
    print(f"{name}: {run.totals['accepted']:.0f} of {len(run.traces)} drafted tokens accepted, wanted all")
    assert run.rate("accepted", "accepted", "rejected") == 1
    assert run.totals["rejected"] == run.totals["discarded"] == 0
    assert (run.traces.verdict == 1).all()


@both_modes
def test_p_equals_q_and_overlap_is_1(traced: Traced, name: str) -> None:
    rows = traced(name).traces
    print(f"{name}: overlap {rows.overlap.min():.9f} … {rows.overlap.max():.9f}, wanted 1 and never more")
    assert (rows.p - rows.q).abs().max() < 1e-6
    assert rows.overlap.between(1 - 1e-6, 1).all()


@both_modes
def test_every_round_but_one_that_ends_the_text_closes_with_a_token_of_the_target(
    traced: Traced, name: str
) -> None:
    rounds = traced(name).rounds
    assert (rounds.emitted == rounds.accepted + rounds.next_token.notna()).all()
    open_end = rounds[rounds.next_token.isna()]
    assert (open_end["round"] == _last_rounds(rounds).loc[open_end.index]).all()


@both_modes
def test_heuristic_only_grows(traced: Traced, name: str) -> None:
    rounds = traced(name).rounds
    assert (rounds.requested == 5 + 2 * rounds["round"]).all()


def _last_rounds(rounds: pd.DataFrame) -> pd.Series:
    return rounds.groupby(["prompt", "sample"])["round"].transform("max")
