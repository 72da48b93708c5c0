"""Rounds of many prompts at once: greedy those of transformers, sampled their law; no row knows its batch."""

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from specgap.errors import TraceError
from specgap.models import ReadyPair
from specgap.schema import Censored, Verdict
from specgap.settings import Decoding, Setting
from specgap.trace import rebuild, verify
from specgap.trace.batched import Batched
from specgap.trace.choice import Decider
from specgap.trace.draws import Array
from specgap.trace.ragged import RaggedBatch
from specgap.trace.verify import Draft, judge
from tests.support.bands import BAND, chi_square_p
from tests.support.greedy_pairs import TEXTS, Comparison, greedy_pair
from tests.support.markov_distances import position_distances
from tests.support.markov_replay import LAWS, SETTINGS
from tests.support.pair_families import FAMILIES, PROMPTS, family
from tests.support.real_rounds import MarkovRun, Rows, markov_run, rounds_of
from tests.support.replaying import NEAR, assert_same_rows
from tests.support.thinned import thinned
from tests.support.tracing import Reference, record

pytestmark = pytest.mark.slow


def setting(schedule: Any, number: int, threshold: float = 0.0) -> Setting:
    return Setting(schedule=schedule, num_assistant_tokens=number, confidence_threshold=threshold)


#: (setting, length of a text)
CELLS = [
    (setting("constant", 1), 16),
    (setting("constant", 5), 16),
    (setting("constant", 20), 16),
    (setting("heuristic", 5), 24),
    (setting("heuristic_transient", 3), 24),
    (setting("constant", 8, 0.3), 16),
    (setting("heuristic", 5, 0.3), 24),
    (setting("constant", 5), 1),
    (setting("heuristic", 5), 2),
]
CONSTANT, HEURISTIC = CELLS[1][0], CELLS[6][0]
SAMPLED = {
    "plain": Decoding(max_new_tokens=16),
    "warped": Decoding(max_new_tokens=16, temperature=0.7, top_k=5, top_p=0.9),
}
RAGGED = FAMILIES[:3]

PairOf = Callable[[str], ReadyPair]
RowsOf = Callable[[str, int], Rows]


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> PairOf:
    """Return a function that gives the pair of a family whose texts end in their middle, or not at all."""
    return cache(lambda name: greedy_pair(name, tmp_path_factory.mktemp("pair")))


@pytest.fixture(scope="module")
def greedy(ending: PairOf) -> RowsOf:
    """Return a function that runs a cell of CELLS on a family, each once."""

    @cache
    def make(name: str, cell: int) -> Rows:
        chosen, length = CELLS[cell]
        return rounds_of(ending(name), Decoding(mode="greedy", max_new_tokens=length), chosen, TEXTS)

    return make


# Greedy ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        pytest.param(
            name,
            cell,
            id=f"{name}, {chosen.name}, {length}",
            marks=[] if number == cell % 3 else pytest.mark.landing,
        )
        for number, name in enumerate([*FAMILIES, "demo"])
        for cell, (chosen, length) in enumerate(CELLS)
    ],
)
def test_greedy_rows_are_those_of_assisted_generation(
    ending: PairOf, greedy: RowsOf, name: str, cell: int, tmp_path: Path
) -> None:
    pair, (chosen, length) = ending(name), CELLS[cell]
    how = Decoding(mode="greedy", max_new_tokens=length)
    comparison = Comparison(pair, how)
    comparison.add(greedy(name, cell), record(pair, how, chosen, TEXTS, tmp_path), TEXTS)
    print(f"{name}, {chosen.name}, {length} tokens: {comparison}")
    assert comparison.near_ties <= 1


def test_rows_of_another_setting_are_told_apart(ending: PairOf, greedy: RowsOf, tmp_path: Path) -> None:
    pair, how = ending("llama"), Decoding(mode="greedy", max_new_tokens=16)
    other = record(pair, how, CELLS[5][0], TEXTS, tmp_path)
    with pytest.raises(AssertionError, match="rows differ and top two are"):
        Comparison(pair, how).add(greedy("llama", 1), other, TEXTS)


@pytest.mark.parametrize("name", FAMILIES)
def test_there_is_a_round_of_every_kind_to_compare(greedy: RowsOf, name: str) -> None:
    rows = [greedy(name, cell) for cell in range(len(CELLS))]
    verdicts = np.concatenate([traces["verdict"] for traces, _ in rows])
    rounds = pa.concat_tables(table for _, table in rows).to_pydict()
    texts = rebuild(*rows[3])
    assert set(verdicts.tolist()) == set(Verdict)
    assert set(rounds["censored"]) == set(Censored)
    assert {drafted == 0 for drafted in rounds["drafted"]} == {True, False}
    assert any(1 < len(text) < 24 for text in texts.values())
    assert any(len(text) == 24 for text in texts.values())
    assert min(map(len, TEXTS)) == 1


# What rows say --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "decoding"), thinned(FAMILIES, SAMPLED))
def test_probabilities_are_the_models_own(name: str, decoding: str) -> None:
    pair, how = family(name), SAMPLED[decoding]
    traces, rounds = rounds_of(pair, how, HEURISTIC, PROMPTS)
    texts, reference = rebuild(traces, rounds), Reference(pair, how)
    for number, ids in enumerate(PROMPTS):
        own = traces.filter(pa.compute.equal(traces["prompt"], number))
        for column, expected in reference.rows(ids, own, texts[number, 0]).items():
            np.testing.assert_allclose(np.asarray(own[column]), expected, rtol=0, atol=NEAR, err_msg=column)
        closing = rounds.filter(pa.compute.equal(rounds["prompt"], number)).to_pylist()
        ends = np.cumsum([row["emitted"] for row in closing]).tolist()
        for row, end in zip(closing, ends, strict=True):
            if row["next_token"] is not None:
                context = [*ids, *texts[number, 0][: end - 1]]
                expected_p = reference.probabilities("target", context)[row["next_token"]]
                assert row["next_p"] == pytest.approx(expected_p, abs=NEAR)


def test_a_threshold_stops_after_the_token_below_it() -> None:
    traces, rounds = rounds_of(family("llama"), SAMPLED["plain"], HEURISTIC, PROMPTS)
    rows = traces.to_pandas()
    last = ~rows.duplicated(["prompt", "round"], keep="last")
    assert (rows.q[~last] >= 0.3).all()
    assert (rows.q[last] < 0.3).any()
    assert Censored.THRESHOLD in rounds["censored"].to_pylist()


def test_samples_prompts_and_seeds_have_numbers_of_their_own() -> None:
    pair, how = family("llama"), SAMPLED["plain"]
    texts = [PROMPTS[2]] * 2
    first = rebuild(*rounds_of(pair, how, CONSTANT, texts))
    again = rebuild(*rounds_of(pair, how, CONSTANT, texts))
    sample = rebuild(*rounds_of(pair, how, CONSTANT, texts, sample=1))
    seed = rebuild(*rounds_of(pair, how, CONSTANT, texts, seed=1))
    assert first == again
    assert first[0, 0] != first[1, 0]
    assert sample[0, 1] != first[0, 0] != seed[0, 0]


# No row knows its batch -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "mode"), thinned(FAMILIES, ["greedy", "sampled"]))
def test_rows_are_equal_for_every_size_of_the_batch(name: str, mode: Any) -> None:
    pair, how = family(name), Decoding(mode=mode, max_new_tokens=24)
    for chosen in (CONSTANT, HEURISTIC):
        whole = rounds_of(pair, how, chosen, PROMPTS, at_once=64)
        for at_once in (1, 3):
            parts = rounds_of(pair, how, chosen, PROMPTS, at_once=at_once)
            apart = [assert_same_rows(*tables) for tables in zip(parts, whole, strict=True)]
            print(f"{name}, {mode}, {chosen.name}, {at_once} at once: apart by {apart}")


@pytest.mark.parametrize("name", RAGGED)
def test_rows_do_not_depend_on_their_neighbours(name: str) -> None:
    pair, how = family(name), SAMPLED["plain"]
    crowd = {1000 + number: [number % 5] * (1 + number % 40) for number in range(60)}
    whole = rounds_of(pair, how, HEURISTIC, {**crowd, **dict(enumerate(PROMPTS))})
    alone = rounds_of(pair, how, HEURISTIC, PROMPTS)
    for table, wanted in zip(whole, alone, strict=True):
        assert_same_rows(table.filter(pa.compute.less(table["prompt"], 1000)), wanted)


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="measured with MKL's matrix products")
def test_a_row_has_the_same_bits_among_any_number_of_rows() -> None:
    # Activations of 48 numbers: those of an odd number of rows do not fill vectors of 32.
    config = LlamaConfig(
        vocab_size=50, hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2
    )
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(1)
        model = LlamaForCausalLM(config).eval()
        tokens = np.random.default_rng(1).integers(0, 50, (10, 72, 8))
        texts = [[3, 1, 4, 1, 5, 9][: row % 7] for row in range(72)]
        wanted = {}
        for width, n_rows in product((1, 2, 8), (72, 33, 20, 9, 8, 1)):
            batch = RaggedBatch(model, n_rows, 96)
            batch.prefill(texts[:n_rows])
            rows = np.arange(n_rows)
            for number, given in enumerate(tokens):
                scores = batch.add(rows, given[:n_rows, :width], np.full(n_rows, width))
                known = wanted.setdefault((width, number), scores)
                assert torch.equal(scores, known[:n_rows]), (width, n_rows)


def test_rows_that_were_cut_back_go_on_as_if_nothing_had_been_there() -> None:
    model, rows = family("gpt2").target, np.arange(9)
    tokens = np.random.default_rng(1).integers(0, 60, (9, 12))
    with torch.inference_mode():
        straight, back = (RaggedBatch(model, 9, 40) for _ in range(2))
        for batch in (straight, back):
            batch.prefill([[4, 3, 2][: row % 3] for row in rows])
        lengths = np.array([row % 3 for row in rows])
        straight.add(rows, tokens[:, :4], np.full(9, 4))
        back.add(rows[3:], tokens[3:], np.full(6, 12))
        back.cut(rows, lengths)
        back.add(rows, np.hstack([tokens[:, :4], tokens[:, :8]]), np.full(9, 4))
        found, wanted = (batch.add(rows[:7], tokens[:7, 4:6], np.full(7, 2)) for batch in (back, straight))
    assert (found - wanted).abs().max() < NEAR


def test_told_of_every_prompt_and_token() -> None:
    told: list[tuple[int, int]] = []
    _, rounds = rounds_of(
        family("llama"), SAMPLED["plain"], CONSTANT, PROMPTS, at_once=4, told=lambda *of: told.append(of)
    )
    assert np.sum(told, axis=0).tolist() == [len(PROMPTS), sum(rounds["emitted"].to_pylist())]


# Refusals and edges ---------------------------------------------------------------------------------


def test_carried_state_is_refused() -> None:
    carried = Setting(schedule="heuristic", num_assistant_tokens=5, carry_state=True)
    with pytest.raises(TraceError, match="heuristic-5-carried carries γ from prompt to prompt"):
        Batched(family("llama"), SAMPLED["plain"], carried, seed=0, longest=32)


def test_models_of_one_length_run_a_text_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaggedBatch, "add", lambda *_: pytest.fail("rows of several lengths"))
    told: list[tuple[int, int]] = []
    rounds_of(family("gpt-neo"), SAMPLED["plain"], CONSTANT, PROMPTS, told=lambda *of: told.append(of))
    assert all(ended in (0, 1) for ended, _ in told)


def test_equal_models_reject_nothing() -> None:
    pair = family("llama")
    same = ReadyPair(**{**pair.__dict__, "draft": pair.target})
    traces, _ = rounds_of(same, SAMPLED["plain"], CONSTANT, PROMPTS)
    verdicts = traces["verdict"].to_pylist()
    print(f"{len(verdicts)} drafted tokens of equal models, {verdicts.count(Verdict.REJECTED)} rejected")
    assert set(verdicts) == {Verdict.ACCEPTED}


def test_a_rejection_that_rounding_leaves_nothing_for_is_an_acceptance() -> None:
    """p is below q at each token by rounding alone, so no correction has any mass."""
    p = torch.tensor([[0.25, 0.75], [0.25, 0.75], [1.0, 0.0]])
    draft = Draft(np.array([2]), np.array([0, 0]), np.array([0, 1]), np.array([1, 0]), p[:2] * (1 + 1e-6))
    found = judge(
        Decider(Decoding()), draft, p.log(), lambda row, step, purpose: np.full(len(row), 1 - 2**-53)
    )
    assert found.accepted.tolist() == [2]
    assert found.own.tolist() == [0]


def test_scores_that_are_no_numbers_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = RaggedBatch.add

    def spoilt(self: RaggedBatch, rows: Array, tokens: Array, lengths: Array) -> torch.Tensor:
        return whole(self, rows, tokens, lengths) * np.nan

    monkeypatch.setattr(RaggedBatch, "add", spoilt)
    for how in (SAMPLED["plain"], Decoding(mode="greedy", max_new_tokens=8)):
        with pytest.raises(TraceError, match="that is no number after prompt 0; wanted finite scores"):
            rounds_of(family("llama"), how, CONSTANT, PROMPTS)


# The law, as far as a second's rounds show it (more in tests/statistics/test_batched_law.py) ----------


def p_values(run: MarkovRun) -> list[float]:
    return [
        chi_square_p("emitted tokens follow p", run.transitions, run.law.target),
        chi_square_p("verdicts follow min(1, p / q)", *run.verdicts),
        chi_square_p("corrections follow max(0, p − q)", *run.corrections),
    ]


def test_sampled_rounds_have_their_law() -> None:
    run = markov_run(family("markov"), LAWS["six states"], SETTINGS["constant-3"], 600)
    assert max(position_distances(run, run.law).values()) < BAND
    assert min(p_values(run)) > 0.001


def test_another_law_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "accepts", lambda u, p, q: u**2 * q < p)
    run = markov_run(family("markov"), LAWS["six states"], SETTINGS["constant-3"], 600)
    assert position_distances(run, run.law)["conditional_acceptance at 1"] > BAND
    assert max(p_values(run)[:2]) < 1e-6
