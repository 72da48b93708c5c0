"""Paths: tokens follow the target, fates their law, and no row knows its batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

from specgap.errors import TraceError
from specgap.settings import Decoding
from specgap.trace.batch import Halving, Stepper, grouped, takes_ragged
from specgap.trace.choice import Distributions, draw, likeliest
from specgap.trace.paths import Paths, sampled_fates
from tests.support.bands import chi_square_p
from tests.support.markov_runs import DRAFT, TARGET
from tests.support.pair_families import FAMILIES, PROMPTS, family
from tests.support.replaying import NEAR, assert_same_rows, collect_paths, differences, whole_columns
from tests.support.thinned import thinned
from tests.support.tracing import Reference

pytestmark = pytest.mark.slow

GREEDY, SAMPLED = Decoding(mode="greedy", max_new_tokens=24), Decoding(max_new_tokens=24)
WARPED = Decoding(max_new_tokens=24, temperature=0.8, top_k=4, top_p=0.9)
DECODINGS = {"greedy": GREEDY, "sampled": SAMPLED, "warped": WARPED}


def rows_of(paths: pa.Table, prompt: int) -> dict[str, list[Any]]:
    """Return one path's columns."""
    return paths.filter(pa.compute.equal(paths["prompt"], prompt)).to_pydict()


# Draws ---------------------------------------------------------------------------------------------


def test_a_token_of_probability_zero_is_never_drawn() -> None:
    weights = torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0]]).expand(6, -1)
    u = torch.tensor([0.0, 0.3 - 1e-9, 0.3 + 1e-7, 0.5, 1 - 2**-53, 1 - 1e-12], dtype=torch.float64)
    assert draw(weights, u).tolist() == [1, 1, 3, 3, 3, 3]


def test_draws_do_not_need_weights_that_sum_to_one() -> None:
    weights = torch.tensor([[1e-30, 3e-30, 0.0]]).expand(2, -1)
    assert draw(weights, torch.tensor([0.2, 0.3], dtype=torch.float64)).tolist() == [0, 1]


def test_of_equal_scores_the_lowest_id_wins() -> None:
    scores = torch.tensor([[1.0, 5.0, 5.0, 2.0], [7.0, 7.0, 7.0, 7.0]])
    assert likeliest(Distributions(scores, torch.softmax(scores, -1))).tolist() == [1, 0]


def test_equal_models_accept_every_proposal() -> None:
    p = torch.softmax(torch.randn(500, 8, generator=torch.Generator().manual_seed(1)), -1)
    same = Distributions(p, p)
    found = sampled_fates(same, same, torch.rand(3, 500, dtype=torch.float64))
    assert found.accepted.all()
    assert torch.equal(found.token, found.proposal)


def test_a_rejection_without_any_gain_is_an_acceptance() -> None:
    """q is below p by rounding at one token and nowhere above it: there is nothing else to propose."""
    p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 0.4999]])
    u = torch.tensor([[0.9], [0.99999], [0.5]], dtype=torch.float64)
    found = sampled_fates(Distributions(p, p), Distributions(q, q), u)
    assert found.accepted.tolist() == [True]
    assert found.proposal.tolist() == [1]


# Batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "ragged"), [("markov", 1), ("llama", 1), ("gpt2", 1), ("gpt-neo", 0)])
def test_what_a_model_takes_is_found_by_trying(name: str, ragged: int) -> None:
    pair = family(name)
    assert takes_ragged(pair.target, 40) == takes_ragged(pair.draft, 40) == bool(ragged)


def test_a_window_that_texts_stay_within_does_not_matter() -> None:
    assert takes_ragged(family("gpt-neo").target, 16)


def test_a_recurrent_model_is_refused_in_one_sentence() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1))
    with pytest.raises(TraceError, match="MambaForCausalLM keeps a recurrent state"):
        Stepper(model, 20)


def test_texts_are_grouped_by_length_and_no_group_is_too_large() -> None:
    lengths = [3, 1, 2, 1, 1, 3]
    assert list(grouped(lengths, at_once=2, equal=True)) == [[1, 3], [4], [2], [0, 5]]
    assert list(grouped(lengths, at_once=4, equal=False)) == [[1, 3, 4, 2], [0, 5]]


@pytest.mark.parametrize(("name", "decoding"), thinned(FAMILIES, DECODINGS))
def test_rows_know_no_batch_and_no_order(name: str, decoding: str) -> None:
    pair, how = family(name), DECODINGS[decoding]
    whole = collect_paths(pair, how, PROMPTS, at_once=64)
    for at_once in (1, 5):
        apart = assert_same_rows(collect_paths(pair, how, PROMPTS, at_once=at_once), whole)
        print(f"{name} {decoding} {at_once} at once: {max(apart.values()):.1e} apart")
    paths = Paths(pair, how, seed=0, longest=40)
    backwards = {number: PROMPTS[number] for number in reversed(range(len(PROMPTS)))}
    columns = paths.collect(backwards, sample=0, at_once=4, told=lambda *_: None)
    order = np.argsort(columns["prompt"], kind="stable")
    for column in whole_columns(whole):
        assert columns[column][order].tolist() == whole[column].to_pylist(), column


@pytest.mark.parametrize(("name", "decoding"), thinned(["markov", "llama", "gpt2"], DECODINGS))
def test_on_one_thread_all_bits_are_those_of_any_batch(name: str, decoding: str) -> None:
    found = [
        collect_paths(family(name), DECODINGS[decoding], PROMPTS, at_once=at_once) for at_once in (1, 5, 64)
    ]
    assert set(differences(found[0], found[2]).values()) == {0.0}
    assert set(differences(found[1], found[2]).values()) == {0.0}


def test_samples_seeds_and_prompts_have_paths_of_their_own() -> None:
    ids = [PROMPTS[1], PROMPTS[1]]
    paths = [
        collect_paths(family("llama"), SAMPLED, ids, seed=seed, sample=s)
        for seed, s in ((0, 0), (0, 1), (1, 0))
    ]
    texts = [rows_of(one, prompt)["token"] for one in paths for prompt in (0, 1)]
    assert len({tuple(text) for text in texts}) == 6


# Rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 24])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_path_ends_at_its_first_end_or_at_the_limit(name: str, length: int) -> None:
    pair = family(name)
    paths = collect_paths(pair, Decoding(max_new_tokens=length), PROMPTS, at_once=6)
    ends = 0
    for prompt in range(len(PROMPTS)):
        rows = rows_of(paths, prompt)
        assert rows["offset"] == list(range(len(rows["offset"])))
        ended = [token in pair.eos_token_ids for token in rows["token"]]
        assert not any(ended[:-1])
        assert ended[-1] or len(ended) == length
        ends += ended[-1] and len(ended) < length
    assert ends or length < 24


@pytest.mark.parametrize(
    ("name", "decoding"),
    # Round probabilities stand exactly where top-p cuts.
    [(name, how) for name in FAMILIES for how in DECODINGS if (name, how) != ("markov", "warped")],
)
def test_numbers_are_those_of_one_forward_per_token(name: str, decoding: str) -> None:
    pair, how = family(name), DECODINGS[decoding]
    reference, paths = Reference(pair, how), collect_paths(pair, how, PROMPTS)
    for prompt in range(6):
        rows = rows_of(paths, prompt)
        for at, (y, x) in enumerate(zip(rows["token"], rows["proposal"], strict=True)):
            context = [*PROMPTS[prompt], *rows["token"][:at]]
            p, q = (reference.probabilities(role, context) for role in ("target", "draft"))
            positive = p[p > 0]
            wanted = (p[y], q[y], p[x], q[x], np.minimum(p, q).sum(), -(positive * np.log(positive)).sum())
            names = ("p", "q", "proposal_p", "proposal_q", "overlap", "entropy")
            found = [rows[column][at] for column in names]
            assert np.abs(np.array(found) - wanted).max() <= NEAR, dict(zip(names, found, strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_accepted_is_what_is_emitted_and_what_is_not_is_another(name: str) -> None:
    for how in DECODINGS.values():
        paths = collect_paths(family(name), how, PROMPTS)
        same = np.asarray(paths["token"]) == np.asarray(paths["proposal"])
        assert same.tolist() == [bool(fate) for fate in paths["fate"].to_pylist()]
        for one, other in (("p", "proposal_p"), ("q", "proposal_q")):
            assert np.asarray(paths[one])[same].tolist() == np.asarray(paths[other])[same].tolist()
    assert 0 < same.mean() < 1


def test_where_a_sampled_proposal_is_rejected_the_draft_was_surer() -> None:
    paths = collect_paths(family("gpt2"), SAMPLED, PROMPTS)
    rejected = np.asarray(paths["fate"]) == 0
    assert (np.asarray(paths["proposal_q"]) > np.asarray(paths["proposal_p"]))[rejected].all()
    assert (np.asarray(paths["q"]) < np.asarray(paths["p"]))[rejected].all()


# The law, on a pair that is known exactly ----------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> tuple[np.ndarray, pa.Table]:
    """Return states and paths of 3000 texts: each row's state before it."""
    prompts = [[number % 5] for number in range(3000)]
    paths = collect_paths(family("markov"), SAMPLED, prompts, seed=8, at_once=500)
    first = np.asarray(paths["offset"]) == 0
    before = np.roll(np.asarray(paths["token"]).astype(int), 1)
    return np.where(first, np.asarray(paths["prompt"]).astype(int) % 5, before), paths


def counts(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    table = np.zeros((6, 6), dtype=np.int64)
    np.add.at(table, (rows, columns.astype(int)), 1)
    return table


def test_tokens_follow_the_target(many: tuple[np.ndarray, pa.Table]) -> None:
    state, paths = many
    found = counts(state, np.asarray(paths["token"]))
    assert chi_square_p("y ~ p", found, TARGET) > 0.001
    assert chi_square_p("y ~ p, wrong law", found, DRAFT) < 1e-6


def test_fates_follow_their_law(many: tuple[np.ndarray, pa.Table]) -> None:
    state, paths = many
    y, accepted = np.asarray(paths["token"]).astype(int), np.asarray(paths["fate"]).astype(bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(TARGET > 0, np.minimum(1, DRAFT / TARGET), 0)
    cell = state * 6 + y  # a cell of state and token is a row with two outcomes
    table = np.stack([np.bincount(cell[hit], minlength=36) for hit in (accepted, ~accepted)], axis=1)
    law = np.stack([ratio.ravel(), 1 - ratio.ravel()], axis=1)
    assert chi_square_p("fate ~ min(1, q(y)/p(y))", table, law) > 0.001
    wrong = np.stack([DRAFT.ravel(), 1 - DRAFT.ravel()], axis=1)
    assert chi_square_p("fate ~ q(y), wrong law", table, wrong) < 1e-6


def test_rejected_proposals_follow_what_the_draft_has_too_much_of(many: tuple[np.ndarray, pa.Table]) -> None:
    state, paths = many
    rejected = np.asarray(paths["fate"]) == 0
    gain = np.maximum(DRAFT - TARGET, 0)
    law = gain / np.maximum(gain.sum(axis=1, keepdims=True), 1e-30)
    found = counts(state[rejected], np.asarray(paths["proposal"])[rejected])
    assert chi_square_p("x ~ norm(max(0, q − p))", found, law) > 0.001
    assert chi_square_p("x ~ q, wrong law", found, DRAFT) < 1e-6


def test_a_rejected_proposal_is_independent_of_the_token_that_replaces_it(
    many: tuple[np.ndarray, pa.Table],
) -> None:
    state, paths = many
    rejected = (np.asarray(paths["fate"]) == 0) & (state == 4)
    found = counts(np.asarray(paths["token"])[rejected].astype(int), np.asarray(paths["proposal"])[rejected])
    gain = np.maximum(DRAFT[4] - TARGET[4], 0)
    assert chi_square_p("x given y, state 4", found, np.tile(gain / gain.sum(), (6, 1))) > 0.001


# Trouble -------------------------------------------------------------------------------------------


def failing(above: int) -> Callable[[int], int]:
    def make(at_once: int) -> int:
        if at_once > above:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return at_once

    return make


def test_the_batch_is_halved_where_memory_runs_out_and_stays_so() -> None:
    lines: list[str] = []
    halving = Halving(20, lines.append)
    assert halving(failing(6)) == 5
    assert halving(failing(100)) == 5
    assert lines == [
        "out of memory at a batch of 20; going on with 10",
        "out of memory at a batch of 10; going on with 5",
    ]


def test_out_of_memory_at_one_row_is_one_sentence() -> None:
    with pytest.raises(TraceError, match="ran out of memory with one row at a time; wanted"):
        Halving(3, lambda _: None)(failing(0))


@pytest.mark.parametrize("decoding", ["greedy", "sampled"])
def test_scores_that_are_no_numbers_are_refused(decoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = family("llama")
    paths = Paths(pair, DECODINGS[decoding], seed=0, longest=40)

    def spoilt(*_: Any, **__: Any) -> torch.Tensor:
        return torch.full((2, 64), float("nan"))

    monkeypatch.setattr("specgap.trace.ragged.RaggedBatch.step", spoilt)
    with pytest.raises(TraceError, match="the models give a p that is no number"):
        paths.collect({1: [5], 2: [6]}, sample=0, at_once=4, told=lambda *_: None)
