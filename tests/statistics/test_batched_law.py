"""Sampled rounds of many prompts at once against exact theory, on pairs whose laws are known.

Counts, rates and acceptance along the draft lie within 4 standard errors of theory; emitted tokens follow p,
drafted ones q, verdicts min(1, p / q) and corrections norm(max(0, p − q)), each by a χ² test. Every test
prints its figures. Guards: the same tests refuse laws that are wrong in one respect.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from specgap.errors import TraceError
from specgap.models import ReadyPair
from specgap.settings import Model, Pair
from specgap.trace import batched, verify
from specgap.trace.draws import Array, Purpose
from tests.support.bands import BAND, chi_square_p
from tests.support.markov import markov_pair
from tests.support.markov_distances import count_distances, position_distances, rate_distances
from tests.support.markov_replay import LAWS, SETTINGS
from tests.support.real_rounds import MarkovRun, markov_run
from tests.support.thinned import thinned
from tests.support.tracing import load

pytestmark = pytest.mark.slow

PROMPTS = 2000
#: The smallest p-value that a right law may give, and the largest that a wrong one may.
LEAST, WRONG = 0.001, 1e-6
GUARDED = ("six states", "constant-3")

PairOf = Callable[[str], ReadyPair]
every_cell = pytest.mark.parametrize(("law", "setting"), thinned(LAWS, SETTINGS))


@pytest.fixture(scope="module")
def pair_of(tmp_path_factory: pytest.TempPathFactory) -> PairOf:
    @cache
    def make(name: str) -> ReadyPair:
        law = LAWS[name]
        made = markov_pair(tmp_path_factory.mktemp("pair"), law.target, law.draft, law.eos)
        return load(Pair(target=Model(source=str(made.target)), draft=Model(source=str(made.draft))))

    return make


@pytest.fixture(scope="module")
def run_of(pair_of: PairOf) -> Callable[[str, str], MarkovRun]:
    @cache
    def make(law: str, setting: str) -> MarkovRun:
        return markov_run(pair_of(law), LAWS[law], SETTINGS[setting], PROMPTS)

    return make


def distances(run: MarkovRun) -> dict[str, float]:
    return {
        **{f"number of {name}": z for name, z in count_distances(run, run.law).items()},
        **rate_distances(run, run.law),
        **position_distances(run, run.law),
    }


def p_values(run: MarkovRun) -> dict[str, float]:
    return {
        "emitted": chi_square_p("emitted tokens follow p", run.transitions, run.law.target),
        "drafted": chi_square_p("drafted tokens follow q", run.drafted, run.law.draft),
        "verdicts": chi_square_p("verdicts follow min(1, p / q)", *run.verdicts),
        "corrections": chi_square_p("corrections follow max(0, p − q)", *run.corrections),
    }


@every_cell
def test_counts_and_rates_are_those_of_theory(
    run_of: Callable[[str, str], MarkovRun], law: str, setting: str
) -> None:
    found = distances(run_of(law, setting))
    assert max(found.values()) < BAND
    assert len(found) >= 17


@every_cell
def test_tokens_and_verdicts_follow_their_laws(
    run_of: Callable[[str, str], MarkovRun], law: str, setting: str
) -> None:
    assert min(p_values(run_of(law, setting)).values()) > LEAST


# Wrong laws ------------------------------------------------------------------------------------------


def wrong_run(pair_of: PairOf) -> MarkovRun:
    law, setting = GUARDED
    return markov_run(pair_of(law), LAWS[law], SETTINGS[setting], PROMPTS)


def test_acceptance_by_p_alone_contradicts_itself(pair_of: PairOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "accepts", lambda u, p, q: u < p)
    # A token that is rejected although p ≥ q can come back as its own correction.
    with pytest.raises(TraceError, match="none after a verification"):
        wrong_run(pair_of)


def test_acceptance_that_is_too_easy_is_refused(pair_of: PairOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "accepts", lambda u, p, q: u**2 * q < p)
    run = wrong_run(pair_of)
    found = p_values(run)
    assert max(found["verdicts"], found["emitted"]) < WRONG
    assert distances(run)["conditional_acceptance at 1"] > BAND


def test_corrections_drawn_from_p_are_refused(pair_of: PairOf, monkeypatch: pytest.MonkeyPatch) -> None:
    right = verify._corrected

    def from_p(
        draft: verify.Draft, accepted: Array, p: torch.Tensor, q: torch.Tensor
    ) -> tuple[Array, torch.Tensor]:
        failed, _ = right(draft, accepted, p, q)
        # Not the rejected token itself: it would be taken for an accepted one.
        rows, places = np.flatnonzero(failed < draft.count), verify._places(draft, failed)
        weights = p[places].clone()
        weights[rows, draft.token[places[rows]]] = 0
        return failed, weights

    monkeypatch.setattr(verify, "_corrected", from_p)
    found = p_values(wrong_run(pair_of))
    assert max(found["corrections"], found["emitted"]) < WRONG
    assert found["verdicts"] > LEAST


@pytest.mark.parametrize("purpose", [Purpose.DRAFT, Purpose.RESIDUAL], ids=["tokens", "corrections"])
def test_verdicts_that_share_their_numbers_with_other_draws_are_refused(
    pair_of: PairOf, monkeypatch: pytest.MonkeyPatch, purpose: Purpose
) -> None:
    right = batched._draws

    def shared(*of: Any) -> verify.Draws:
        def draws(row: Array, step: Array, wanted: Any) -> Array:
            return right(*of)(row, step, np.where(np.equal(wanted, purpose), Purpose.FATE, wanted))

        return draws

    monkeypatch.setattr(batched, "_draws", shared)
    assert p_values(wrong_run(pair_of))["emitted"] < WRONG


def test_rows_that_share_their_numbers_are_refused(pair_of: PairOf, monkeypatch: pytest.MonkeyPatch) -> None:
    right = batched._draws
    monkeypatch.setattr(
        batched, "_draws", lambda seed, sample, prompt, offset: right(seed, sample, prompt * 0, offset)
    )
    run = wrong_run(pair_of)
    assert min(p_values(run).values()) < WRONG
    assert max(distances(run).values()) > BAND
