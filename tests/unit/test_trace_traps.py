"""Every trap of assisted generation in transformers that is known has a test here, or a refusal.

* The knobs count on the draft's config alone, and a checkpoint's own knobs do not leak in.
* Threshold 0 is set aloud, since None means 0.4: `constant` is constant.
* Warpers act once on the draft, not twice.
* The pad id hides no token of a prompt from the draft, though it be an EOS that stands in the prompt.
* scikit-learn importable: a threshold is refused, and a trace without one records it.
* An accepted EOS ends a text without a token of the target's own, and is not counted as a rejection.
* The last position is never drafted: a round of γ = 0, recorded as such.
* Nothing is emitted after an EOS.
* The final round is counted once.
* `heuristic` leaves its γ behind; the next prompt starts anew.
* Fields of a model's own generation config (temperature, top_k, repetition_penalty, min_p, suppressed, biased
  and forced tokens, ensemble weight, lengths) change nothing, and the model has its config back afterwards.
* Releases of transformers outside the tested range are refused.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import GenerationConfig

from specgap.errors import TraceError
from specgap.models import ReadyPair
from specgap.schema import Censored, Verdict
from specgap.settings import Decoding, Pair, Setting
from specgap.trace import rebuild
from specgap.trace.assisted import (
    Assisted,
    check_threshold,
    check_transformers,
    generation_config,
    ignored_fields,
    torch_seed,
)
from specgap.trace.recorder import overlap_of
from tests.support.tiny_models import random_pair
from tests.support.tracing import Reference, load, prompts, record, tiny_study, trace_cell

pytestmark = pytest.mark.slow

PROMPTS = ([5, 6, 7], [8], [20, 21])
SAMPLED = Decoding(max_new_tokens=16)
CONSTANT = Setting(schedule="constant", num_assistant_tokens=4)
HEURISTIC = Setting(schedule="heuristic", num_assistant_tokens=5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


@pytest.fixture
def pair(saved: Pair) -> ReadyPair:
    return load(saved)


def test_knobs_of_the_drafts_own_config_do_not_leak_in(pair: ReadyPair, tmp_path: Path) -> None:
    pair.draft.generation_config.update(
        num_assistant_tokens=9, num_assistant_tokens_schedule="heuristic", assistant_confidence_threshold=0.9
    )
    _, rounds = record(pair, SAMPLED, CONSTANT, PROMPTS, tmp_path)
    assert set(rounds["requested"].to_pylist()) == {4}


def test_with_threshold_0_only_the_length_and_an_eos_cut_a_round(pair: ReadyPair, tmp_path: Path) -> None:
    _, rounds = record(pair, SAMPLED, CONSTANT, PROMPTS, tmp_path)
    uncut = [row for row in rounds.to_pylist() if row["censored"] == Censored.NONE]
    assert uncut
    assert all(row["drafted"] == 4 for row in uncut)
    assert Censored.THRESHOLD not in rounds["censored"].to_pylist()


def test_a_temperature_acts_once_on_the_draft(pair: ReadyPair, tmp_path: Path) -> None:
    halved = Decoding(max_new_tokens=16, temperature=0.5)
    traces, rounds = record(pair, halved, CONSTANT, PROMPTS[:1], tmp_path)
    text = rebuild(traces, rounds)[0, 0]
    once = Reference(pair, halved).rows(PROMPTS[0], traces, text)["q"]
    twice = Reference(pair, Decoding(temperature=0.25)).rows(PROMPTS[0], traces, text)["q"]
    np.testing.assert_allclose(traces["q"], once, rtol=0, atol=1e-5)
    assert np.abs(np.asarray(traces["q"]) - twice).max() > 0.1


@pytest.mark.parametrize("eos", [(1,), ()], ids=["with EOS", "without EOS"])
def test_a_pad_token_in_the_prompt_is_not_hidden_from_the_draft(
    eos: tuple[int, ...], saved: Pair, tmp_path: Path
) -> None:
    pair = load(saved, eos_token_ids=eos)
    for model in (pair.target, pair.draft):
        model.config.pad_token_id = 6
        model.generation_config.pad_token_id = 6
    traces, rounds = record(pair, SAMPLED, CONSTANT, [[5, 6, 7, 6, 8]], tmp_path)
    expected = Reference(pair, SAMPLED).rows([5, 6, 7, 6, 8], traces, rebuild(traces, rounds)[0, 0])
    np.testing.assert_allclose(traces["q"], expected["q"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("eos", "ids"),
    [
        ((1,), [1, 5, 6, 7]),
        ((1,), [5, 1, 6, 1, 7]),
        ((1,), [5, 6, 7, 1]),
        ((1,), [1]),
        ((6, 1), [1, 5, 6, 1, 7]),
        ((6, 1), [5, 7, 6]),
    ],
    ids=["at the start", "in the middle", "at the end", "alone", "two EOS within", "two EOS at the end"],
)
@pytest.mark.parametrize(
    "decoding", [SAMPLED, Decoding(mode="greedy", max_new_tokens=16)], ids=["sampled", "greedy"]
)
def test_an_eos_in_the_prompt_is_a_token_as_any_other(
    eos: tuple[int, ...], ids: list[int], decoding: Decoding, saved: Pair, tmp_path: Path
) -> None:
    """A BOS that is the EOS, as GPT-2 has it, a document's end within, a tokenizer that appends EOS."""
    pair = load(saved, eos_token_ids=eos)
    traces, rounds = record(pair, decoding, CONSTANT, [ids] * 3, tmp_path)
    texts = rebuild(traces, rounds)
    reference = Reference(pair, decoding)
    for number in range(3):
        own = traces.filter(np.asarray(traces["prompt"]) == number)
        expected = reference.rows(ids, own, texts[number, 0])
        for name, values in expected.items():
            np.testing.assert_allclose(own[name], values, rtol=0, atol=1e-5, err_msg=name)


def test_the_pad_id_is_an_eos_id_or_none() -> None:
    assert generation_config(SAMPLED, (3, 1)).pad_token_id == 3
    assert generation_config(SAMPLED, ()).pad_token_id is None


def test_top_k_is_off_and_not_left_at_50() -> None:
    assert generation_config(SAMPLED, (1,)).top_k == 0


@pytest.fixture
def sklearn_importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path" / "sklearn").mkdir(parents=True)
    (tmp_path / "path" / "sklearn" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "path"))


@pytest.mark.usefixtures("sklearn_importable")
def test_a_threshold_is_refused_while_scikit_learn_can_be_imported() -> None:
    with pytest.raises(TraceError, match="scikit-learn can be imported"):
        check_threshold(Setting(schedule="constant", num_assistant_tokens=4, confidence_threshold=0.4))
    check_threshold(CONSTANT)


@pytest.mark.usefixtures("sklearn_importable")
def test_a_trace_records_that_scikit_learn_was_importable(saved: Pair, tmp_path: Path) -> None:
    study = tiny_study(saved, {"schedule": "constant", "num_assistant_tokens": 2})
    traced = trace_cell(study, "constant-2", prompts(["w5 w6"]), tmp_path / "results")
    assert traced.metadata()["sklearn_importable"] is True


def ended_by_accepted_eos(rounds: pa.Table) -> list[dict[str, Any]]:
    return [row for row in rounds.to_pylist() if row["next_token"] is None]


def test_an_accepted_eos_ends_the_text_and_counts_as_accepted(saved: Pair, tmp_path: Path) -> None:
    pair = load(saved, eos_token_ids=(1, 10, 22, 30, 45, 53))
    traces, rounds = record(pair, SAMPLED, CONSTANT, [[word] for word in range(5, 25)], tmp_path)
    ended = ended_by_accepted_eos(rounds)
    assert ended
    for row in ended:
        own = [
            drafted
            for drafted in traces.to_pylist()
            if (drafted["prompt"], drafted["round"]) == (row["prompt"], row["round"])
        ]
        assert row["accepted"] == row["drafted"] == row["emitted"] == len(own)
        assert {drafted["verdict"] for drafted in own} == {Verdict.ACCEPTED}
        assert own[-1]["token"] in pair.eos_token_ids


def test_nothing_is_emitted_after_an_eos(saved: Pair, tmp_path: Path) -> None:
    pair = load(saved, eos_token_ids=(1, 10, 22, 30, 45, 53))
    texts = rebuild(*record(pair, SAMPLED, CONSTANT, [[word] for word in range(5, 25)], tmp_path))
    ended = [text for text in texts.values() if len(text) < 16]
    assert ended
    assert all(text[-1] in pair.eos_token_ids for text in ended)
    assert all(token not in pair.eos_token_ids for text in texts.values() for token in text[:-1])


def test_the_last_position_is_a_round_that_drafts_nothing(saved: Pair, tmp_path: Path) -> None:
    pair = load(saved, eos_token_ids=())
    traces, rounds = record(pair, Decoding(max_new_tokens=1), CONSTANT, [[5, 6]], tmp_path)
    (row,) = rounds.to_pylist()
    assert traces.num_rows == 0
    assert (row["requested"], row["drafted"], row["accepted"], row["emitted"]) == (4, 0, 0, 1)
    assert row["censored"] == Censored.MAX_LENGTH
    assert row["next_token"] == rebuild(traces, rounds)[0, 0][0]


def test_every_target_call_is_one_round_the_final_one_too(pair: ReadyPair, tmp_path: Path) -> None:
    calls: list[int] = []
    handle = pair.target.register_forward_pre_hook(lambda *_: calls.append(1))
    _, rounds = record(pair, SAMPLED, HEURISTIC, PROMPTS, tmp_path)
    handle.remove()
    assert rounds.num_rows == len(calls)


def test_the_next_prompt_starts_with_the_settings_own_number(pair: ReadyPair, tmp_path: Path) -> None:
    _, rounds = record(pair, SAMPLED, HEURISTIC, PROMPTS, tmp_path)
    first = [row["requested"] for row in rounds.to_pylist() if row["round"] == 0]
    assert first == [5, 5, 5]


LEAKS = {
    "temperature": 0.3,
    "top_k": 3,
    "top_p": 0.5,
    "min_p": 0.2,
    "typical_p": 0.5,
    "repetition_penalty": 1.8,
    "no_repeat_ngram_size": 1,
    "suppress_tokens": [50, 28, 25],
    "begin_suppress_tokens": [50, 52, 25],
    "sequence_bias": {(50,): -9.0},
    "bad_words_ids": [[45], [53]],
    "forced_bos_token_id": 9,
    "forced_eos_token_id": 1,
    "min_new_tokens": 3,
    "max_length": 5,
    "assistant_ensemble_weight": 0.5,
    "prompt_lookup_num_tokens": 3,
    "do_sample": False,
    "num_beams": 2,
    "renormalize_logits": True,
}


@pytest.mark.parametrize("role", ["target", "draft"])
def test_a_models_own_generation_config_changes_nothing(role: str, saved: Pair, tmp_path: Path) -> None:
    undisturbed = record(load(saved), SAMPLED, HEURISTIC, PROMPTS, tmp_path / "plain")
    pair = load(saved)
    own = GenerationConfig(**LEAKS)
    getattr(pair, role).generation_config = own
    leaky = record(pair, SAMPLED, HEURISTIC, PROMPTS, tmp_path / "leaky")
    assert getattr(pair, role).generation_config is own
    for one, other in zip(undisturbed, leaky, strict=True):
        assert [str(row) for row in one.to_pylist()] == [str(row) for row in other.to_pylist()]


def test_what_a_models_own_config_asked_for_is_told() -> None:
    assert ignored_fields(GenerationConfig(temperature=0.6, eos_token_id=3)) == {"temperature": 0.6}


@pytest.mark.parametrize("version", ["4.57.6", "5.14.1", "5.17.2", "5.24.0", "6.0.0"])
def test_a_release_of_transformers_that_was_not_tested_is_refused(version: str) -> None:
    with pytest.raises(
        TraceError, match=rf"transformers is {version}; wanted at least 5\.18 and below 5\.24"
    ):
        check_transformers(version)


@pytest.mark.parametrize("version", ["5.18.0", "5.23.0", "5.23.1.dev0"])
def test_releases_in_the_tested_range_pass(version: str) -> None:
    check_transformers(version)


def test_recording_draws_no_random_number(pair: ReadyPair) -> None:
    with Assisted(pair, SAMPLED, CONSTANT) as assisted:
        first = assisted.record([5, 6, 7], seed=3, gamma=4)
        after = torch.rand(1)
        again = assisted.record([5, 6, 7], seed=3, gamma=4)
        assert torch.equal(torch.rand(1), after)
    assert first.ids.tolist() == again.ids.tolist()


def test_seeds_differ_between_prompts_and_samples() -> None:
    seeds = {
        torch_seed(seed, prompt, sample) for seed in (0, 1) for prompt in (5, 2**63 + 5) for sample in (0, 1)
    }
    assert len(seeds) == 8


def test_seeds_differ_in_the_32_bits_that_torchs_generator_uses() -> None:
    """Samples of one prompt differ in a low bit of the key alone; a hash spreads it over all bits."""
    low = np.array([torch_seed(0, 5, sample) % 2**32 for sample in range(2000)])
    ones = (low[:, None] >> np.arange(32) & 1).mean(0)
    print(f"share of ones in each low bit {ones.min():.3f} to {ones.max():.3f}; band 0.44 to 0.56")
    assert len(set(low.tolist())) == 2000
    assert np.abs(ones - 0.5).max() < 0.06


def test_scores_that_are_no_numbers_are_one_sentence(pair: ReadyPair) -> None:
    with torch.no_grad():
        pair.target.lm_head.weight.fill_(float("nan"))
    with (
        Assisted(pair, SAMPLED, CONSTANT) as assisted,
        pytest.raises(TraceError, match="scores that are no numbers"),
    ):
        assisted.record([5, 6, 7], seed=3, gamma=4)


def test_overlap_is_summed_in_float64_and_never_beyond_1() -> None:
    p = torch.softmax(torch.randn(100, 5000, generator=torch.Generator().manual_seed(1)), dim=-1)
    assert p.sum(-1, dtype=torch.float64).max() > 1
    assert overlap_of(p, p).max() == 1
    q = p.roll(1, dims=-1)
    exact = np.minimum(p.numpy(), q.numpy()).astype(np.float64).sum(-1)
    np.testing.assert_allclose(overlap_of(p, q), exact, rtol=1e-14)


def test_equal_models_accept_everything(tmp_path: Path) -> None:
    twins = load(random_pair(tmp_path / "twins", seed=2, draft_noise=0.0))
    traces, _ = record(twins, SAMPLED, CONSTANT, PROMPTS, tmp_path)
    assert traces["verdict"].to_pylist() == [Verdict.ACCEPTED] * traces.num_rows
    np.testing.assert_allclose(traces["overlap"], 1, rtol=0, atol=1e-6)
