"""The whole chain against exact theory, on pairs whose laws are known: prompts → models → traces → rust_agg.

Every comparison prints what was measured, what theory says and how many standard errors lie between them; the
band is 4 standard errors, taken from theory (`tests.support.bands` says how often a right instrument leaves
it). Beside each family stands a guard: the same comparison with a theory that is wrong in one respect leaves
the band.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.bands import BAND
from tests.support.markov_distances import count_distances, position_distances, rate_distances
from tests.support.markov_runs import SURER, Run, warped
from tests.support.thinned import thinned

pytestmark = pytest.mark.slow

Traced = Callable[[str], Run]
SETTINGS = ("constant 1", "constant 3", "constant 8", "heuristic 5", "threshold", "warped")

every_setting = pytest.mark.parametrize("name", thinned(SETTINGS, of=2))


# Counts, rates, positions ---------------------------------------------------------------------------


@every_setting
def test_counts_agree_with_theory(traced: Traced, name: str) -> None:
    run = traced(name)
    assert max(count_distances(run, run.law).values()) <= BAND


@every_setting
def test_rates_agree_with_theory(traced: Traced, name: str) -> None:
    run = traced(name)
    assert max(rate_distances(run, run.law).values()) <= BAND


@every_setting
def test_acceptance_along_the_draft_agrees_with_theory(traced: Traced, name: str) -> None:
    run = traced(name)
    distances = position_distances(run, run.law)
    assert max(distances.values()) <= BAND
    assert len(distances) >= 2


def test_theory_with_a_wrong_schedule_leaves_the_band(traced: Traced) -> None:
    for name, wrong in {
        "constant 1": {"gamma": 2},
        "constant 3": {"gamma": 4},
        "constant 8": {"gamma": 7},
        "heuristic 5": {"heuristic": False},
        "threshold": {"threshold": 0.0},
    }.items():
        run = traced(name)
        assert max(rate_distances(run, replace(run.law, **wrong)).values()) > BAND, name


def test_theory_with_another_length_or_without_the_end_of_text_leaves_the_band(traced: Traced) -> None:
    run = traced("constant 3")
    for wrong in (replace(run.law, max_new_tokens=16), replace(run.law, eos=None)):
        assert max(count_distances(run, wrong).values()) > BAND


def test_theory_of_a_draft_that_is_processed_otherwise_leaves_the_band(traced: Traced) -> None:
    run = traced("warped")
    plain = replace(run.law, draft=SURER)
    assert rate_distances(run, plain)["acceptance_rate"] > BAND
    assert position_distances(run, plain)["conditional_acceptance at 1"] > BAND
    # What transformers does by itself with temperature and top_k given as arguments.
    twice = replace(run.law, draft=warped(run.law.draft, 0.7, 3))
    assert rate_distances(run, twice)["acceptance_rate"] > BAND


# The state is a count of the records ----------------------------------------------------------------


@every_setting
def test_the_state_counts_what_the_records_say(traced: Traced, name: str) -> None:
    run = traced(name)
    verdicts = run.traces.verdict
    assert run.totals["accepted"] == (verdicts == 1).sum() == run.rounds.accepted.sum()
    assert run.totals["rejected"] == (verdicts == 0).sum()
    assert run.totals["discarded"] == (verdicts == 2).sum()
    assert run.totals["drafted"] == len(run.traces) == run.rounds.drafted.sum()
    assert run.totals["rounds"] == len(run.rounds)
    assert run.totals["emitted"] == run.rounds.emitted.sum() == sum(map(len, run.emitted.values()))
    assert run.totals["judged_1"] == (run.traces.position == 1).sum()
