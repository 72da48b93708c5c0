"""What single rows say, on pairs whose laws are known: p, q, overlap are exact, sampling is lossless.

As in `test_ground_truth`, every comparison is printed beside its band, and guards show that checks can fail.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.support.bands import BAND, chi_square_p, distance
from tests.support.markov_runs import TARGET, Run, warped
from tests.support.thinned import thinned

pytestmark = pytest.mark.slow

Traced = Callable[[str], Run]
every_setting = pytest.mark.parametrize(
    "name", thinned(["constant 1", "constant 3", "constant 8", "heuristic 5", "threshold", "warped"], of=2)
)


# What a row says ------------------------------------------------------------------------------------


@every_setting
def test_p_and_q_are_the_matrices_behind_the_same_context(traced: Traced, name: str) -> None:
    run = traced(name)
    tokens = run.traces.token.to_numpy()
    for column, matrix in (("p", run.law.target), ("q", run.law.draft)):
        gap = np.abs(run.traces[column] - matrix[run.contexts, tokens]).max()
        print(f"{name}: {column} and its matrix differ by {gap:.1e} over {len(tokens)} rows, band 1e-6")
        assert gap < 1e-6


@every_setting
def test_overlap_and_entropy_are_those_of_the_matrices(traced: Traced, name: str) -> None:
    run = traced(name)
    judged = (run.traces.verdict != 2).to_numpy()
    p, q = run.law.target[run.contexts], run.law.draft[run.contexts]
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=1)
    assert np.abs(run.traces.overlap - np.minimum(p, q).sum(axis=1))[judged].max() < 1e-6
    assert np.abs(run.traces.entropy - entropy)[judged].max() < 1e-5


@every_setting
def test_the_probability_of_the_closing_token_is_the_targets(traced: Traced, name: str) -> None:
    run = traced(name)
    closing = _closing_tokens(run)
    assert np.abs(closing.next_p - run.law.target[closing.context, closing.token]).max() < 1e-6


def test_rows_of_another_processing_are_told_apart(traced: Traced) -> None:
    run = traced("warped")
    tokens = run.traces.token.to_numpy()
    assert np.abs(run.traces.p - TARGET[run.contexts, tokens]).max() > 0.01
    assert np.abs(run.traces.q - warped(run.law.draft, 0.7, 3)[run.contexts, tokens]).max() > 0.01


# Sampling is lossless -------------------------------------------------------------------------------


@every_setting
def test_emitted_tokens_follow_p(traced: Traced, name: str) -> None:
    run = traced(name)
    assert chi_square_p(f"{name}: transitions", _transitions(run), run.law.target) > 0.001


@every_setting
def test_drafted_tokens_follow_q(traced: Traced, name: str) -> None:
    run = traced(name)
    counts = _counted(run.contexts, run.traces.token.to_numpy(), len(run.law.draft))
    assert chi_square_p(f"{name}: drafted", counts, run.law.draft) > 0.001


@every_setting
def test_corrections_follow_the_residual(traced: Traced, name: str) -> None:
    run = traced(name)
    closing = _closing_tokens(run)
    failed = closing[closing.corrects]
    residual = np.maximum(run.law.target - run.law.draft, 0)
    mass = residual.sum(axis=1, keepdims=True)
    residual = np.divide(residual, mass, out=np.zeros_like(residual), where=mass > 0)
    counts = _counted(failed.context, failed.token, len(residual))
    assert chi_square_p(f"{name}: corrections", counts, residual) > 0.001


def test_emitted_tokens_do_not_follow_q(traced: Traced) -> None:
    run = traced("constant 3")
    closing = _closing_tokens(run)
    failed = closing[closing.corrects]
    corrections = _counted(failed.context, failed.token, len(TARGET))
    assert chi_square_p("transitions, wrong law", _transitions(run), run.law.draft) < 1e-6
    assert chi_square_p("corrections, wrong law", corrections, run.law.target) < 1e-6


@every_setting
def test_no_rejected_token_has_p_at_least_q(traced: Traced, name: str) -> None:
    rejected = traced(name).traces.query("verdict == 0")
    print(
        f"{name}: {(rejected.p >= rejected.q).sum()} of {len(rejected)} rejected tokens have p >= q, wanted 0"
    )
    assert len(rejected) > 100
    assert (rejected.p < rejected.q).all()


def test_greedy_rejects_tokens_with_p_at_least_q(traced: Traced) -> None:
    rejected = traced("greedy constant 3").traces.query("verdict == 0")
    assert (rejected.p >= rejected.q).any()


# Calibration ----------------------------------------------------------------------------------------


@every_setting
def test_realised_acceptance_lies_on_the_diagonal(traced: Traced, name: str) -> None:
    run = traced(name)
    ratio = np.minimum(1, run.judged.p.to_numpy(float) / run.judged.q.to_numpy(float))
    which = np.minimum((ratio * 20).astype(int), 20)
    spread = pd.Series(ratio * (1 - ratio)).groupby(which).sum()
    for row in run.calibration().itertuples():
        n, se = row.n_judged, np.sqrt(spread.get(row.bin, 0.0)) / row.n_judged
        if row.bin < 20 and n * row.sum_min_ratio / n * (1 - row.sum_min_ratio / n) < 5:
            continue  # too few to be normal
        z = distance(
            f"{name}: min(1, p/q) in {row.low:.2f} … {row.high:.2f}",
            row.n_accepted / n,
            row.sum_min_ratio / n,
            se,
        )
        assert z <= BAND


@every_setting
def test_flag_ratio_and_overlap_have_one_mean(traced: Traced, name: str) -> None:
    judged = traced(name).judged
    flag, overlap = (judged.verdict == 1).to_numpy(float), judged.overlap.to_numpy(float)
    ratio = np.minimum(1, judged.p.to_numpy(float) / judged.q.to_numpy(float))
    n = len(judged)
    # Given the past, flag − overlap and ratio − overlap have mean 0: their sums are martingales.
    for what, gap in (("flag", flag - overlap), ("min(1, p/q)", ratio - overlap)):
        se = np.sqrt((gap**2).sum()) / n
        assert distance(f"{name}: {what} − overlap", gap.mean(), 0.0, se) <= BAND


def test_a_recorder_of_the_wrong_q_leaves_the_diagonal(traced: Traced) -> None:
    run = traced("warped")
    judged = (run.traces.verdict != 2).to_numpy()
    contexts, tokens = run.contexts[judged], run.judged.token.to_numpy()
    q = warped(run.law.draft, 0.7, 3)[contexts, tokens]
    ratio = np.minimum(1, np.divide(run.judged.p, q, out=np.ones_like(q), where=q > 0))
    gap = (run.judged.verdict == 1) - ratio
    assert distance("wrong q: flag − min(1, p/q)", gap.mean(), 0.0, np.sqrt((gap**2).sum()) / len(gap)) > BAND


def _counted(contexts: NDArray[np.int64], tokens: NDArray[np.int64], states: int) -> NDArray[np.int64]:
    counts = np.zeros((states, states), dtype=np.int64)
    np.add.at(counts, (contexts, tokens), 1)
    return counts


def _transitions(run: Run) -> NDArray[np.int64]:
    pairs = [
        step
        for (prompt, _), text in run.emitted.items()
        for step in zip([run.starts[prompt], *text], text, strict=False)
    ]
    return _counted(*np.array(pairs).T, len(run.law.target))


def _closing_tokens(run: Run) -> pd.DataFrame:
    """Each round's own token of the target, the state before it, and whether it corrects a rejection."""
    rows = []
    end = dict.fromkeys(run.emitted, 0)
    for row in run.rounds.itertuples():
        key = (row.prompt, row.sample)
        end[key] += row.emitted
        if not pd.isna(row.next_token):
            text = [run.starts[row.prompt], *run.emitted[key]]
            assert text[end[key]] == row.next_token
            rows.append((text[end[key] - 1], int(row.next_token), row.next_p, row.accepted < row.drafted))
    return pd.DataFrame(rows, columns=["context", "token", "next_p", "corrects"])
