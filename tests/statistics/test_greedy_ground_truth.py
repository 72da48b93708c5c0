"""Greedy decoding on Markov pairs is deterministic: every row is known beforehand."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.support.markov_runs import Run

pytestmark = pytest.mark.slow

Traced = Callable[[str], Run]
RUNS = ("greedy constant 3", "greedy heuristic 5", "greedy, ends in 2", "greedy, ends in 3")
#: (round, position, offset, token, verdict)
Row = tuple[int, int, int, int, int]


def expected_rows(run: Run, state: int) -> tuple[list[Row], list[int]]:
    """Write down the rows and the requested γ of each round, behind a prompt that ends in `state`."""
    p, q = run.law.target.argmax(axis=1).tolist(), run.law.draft.argmax(axis=1).tolist()
    rows: list[Row] = []
    requested: list[int] = []
    text, gamma, eos = [state], run.law.gamma, run.law.eos
    while len(text) <= run.law.max_new_tokens and (len(text) == 1 or text[-1] != eos):
        begin = len(text)
        draft = [text[-1]]
        for _ in range(min(gamma, run.law.max_new_tokens - begin)):
            draft.append(q[draft[-1]])
            if draft[-1] == eos:
                break
        kept = 0
        while kept + 1 < len(draft) and draft[kept + 1] == p[draft[kept]]:
            kept += 1
        for position, token in enumerate(draft[1:], start=1):
            verdict = 1 if position <= kept else 0 if position == kept + 1 else 2
            rows.append((len(requested), position, begin + position - 2, token, verdict))
        text += draft[1 : kept + 1]
        if text[-1] != eos or kept == 0:
            text.append(p[text[-1]])
        requested.append(gamma)
        if run.law.heuristic:
            gamma = gamma + 2 if kept == len(draft) - 1 else max(1, gamma - 1)
    return rows, requested


@pytest.mark.parametrize("name", RUNS)
def test_every_row_is_the_one_expected(traced: Traced, name: str) -> None:
    run = traced(name)
    rejected = 0
    for prompt, state in run.starts.items():
        traces = run.traces[run.traces["prompt"] == prompt]
        rounds = run.rounds[run.rounds["prompt"] == prompt]
        rows, requested = expected_rows(run, state)
        measured = traces[["round", "position", "offset", "token", "verdict"]]
        assert list(measured.itertuples(index=False, name=None)) == rows
        assert rounds.requested.tolist() == requested
        rejected += sum(row[-1] == 0 for row in rows)
    print(f"{name}: all {len(run.traces)} rows as expected, {rejected} of them rejected")
    assert rejected > 0


@pytest.mark.parametrize("name", RUNS)
def test_p_q_and_overlap_are_those_of_the_matrices(traced: Traced, name: str) -> None:
    run = traced(name)
    tokens, judged = run.traces.token.to_numpy(), (run.traces.verdict != 2).to_numpy()
    p, q = run.law.target[run.contexts], run.law.draft[run.contexts]
    rows = np.arange(len(tokens))
    assert np.abs(run.traces.p - p[rows, tokens]).max() < 1e-6
    assert np.abs(run.traces.q - q[rows, tokens]).max() < 1e-6
    assert np.abs(run.traces.overlap - np.minimum(p, q).sum(axis=1))[judged].max() < 1e-6


def test_an_accepted_end_of_text_closes_its_round_without_another_token(traced: Traced) -> None:
    run = traced("greedy, ends in 2")
    last = run.rounds.groupby("prompt").tail(1)
    accepted_end = last[last.next_token.isna()]
    assert len(accepted_end) > 0
    assert (accepted_end.emitted == accepted_end.accepted).all()
    assert all(text[-1] == 2 for text in run.emitted.values())


def test_texts_are_the_targets_argmax_path(traced: Traced) -> None:
    run = traced("greedy constant 3")
    best = pd.Series(run.law.target.argmax(axis=1))
    for (prompt, _), text in run.emitted.items():
        assert text == best.loc[[run.starts[prompt], *text[:-1]]].tolist()
        assert len(text) == run.law.max_new_tokens
