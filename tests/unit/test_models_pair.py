"""A pair fits or is refused; heads are cut; device, context and EOS are what the facts say."""

import json
import re
from pathlib import Path

import pytest
import torch

from specgap.errors import ModelError
from specgap.models import check_length, check_pair, check_prompts, device, ready_pair
from specgap.models.load import UNLIMITED, ReadyPair, context_length
from specgap.models.vocabulary import shared_size
from specgap.settings import Model, Pair, PromptFormat
from tests.support.tiny_models import (
    gpt2_shaped_folder,
    gpt_neo_shaped_folder,
    random_pair,
    word_tokenizer,
)

pytestmark = pytest.mark.slow

RAW = PromptFormat()


def load(pair: Pair) -> ReadyPair:
    return ready_pair(pair, device="cpu", gpu_given=False)


def logits(model, ids=((2, 3, 5, 7),)):
    with torch.no_grad():
        return model(torch.tensor(ids)).logits


# Vocabulary ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_a_head_padded_by_128_rows_is_cut_and_the_rest_stays_to_the_bit(tmp_path, tied):
    pair = random_pair(tmp_path, seed=1, draft_padding=128, tied=tied)
    ready = load(pair)
    uncut = load(Pair(target=pair.draft, draft=pair.draft))
    assert logits(uncut.target).shape[-1] == 192
    assert logits(ready.target).shape == logits(ready.draft).shape == (1, 4, 64)
    assert torch.equal(logits(ready.draft), logits(uncut.draft)[..., :64])
    assert ready.facts["draft"]["head"] == {"from": 192, "to": 64}
    assert ready.facts["target"]["head"] is None
    assert ready.vocabulary_size == ready.draft.config.vocab_size == 64
    head, embedding = ready.draft.get_output_embeddings(), ready.draft.get_input_embeddings()
    assert (head.weight is embedding.weight) == tied


def test_the_target_is_cut_where_it_is_the_padded_one(tmp_path):
    pair = random_pair(tmp_path, seed=1, draft_padding=128)
    ready = load(Pair(target=pair.draft, draft=pair.target))
    assert ready.facts["target"]["head"] == {"from": 192, "to": 64}
    assert logits(ready.target).shape[-1] == 64


def test_equal_heads_are_left_alone_though_both_are_padded(tmp_path):
    pair = random_pair(tmp_path, seed=1, draft_padding=128)
    ready = load(Pair(target=pair.draft, draft=pair.draft))
    assert ready.facts["target"]["head"] is ready.facts["draft"]["head"] is None
    assert ready.vocabulary_size == 192


def test_generate_runs_on_a_pair_with_a_cut_head(tmp_path):
    ready = load(random_pair(tmp_path, seed=1, draft_padding=128, eos=False))
    ids = torch.tensor([[2, 3, 5]])
    out = ready.target.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        assistant_model=ready.draft,
        max_new_tokens=5,
        do_sample=False,
    )
    assert out.shape == (1, 8)


def test_vocabularies_that_differ_are_refused_by_their_first_differing_token(tmp_path):
    pair = random_pair(tmp_path, seed=1)
    rename_token(tmp_path / "draft", "w7", "other")
    rename_token(tmp_path / "draft", "w9", "another")
    with pytest.raises(ModelError, match=r"token '(w7|other)' .*id 7"):
        check_pair(pair)


def test_equal_sizes_do_not_excuse_swapped_ids(tmp_path):
    pair = random_pair(tmp_path, seed=1)
    for old, new in (("w7", "w_"), ("w8", "w7"), ("w_", "w8")):
        rename_token(tmp_path / "draft", old, new)
    with pytest.raises(
        ModelError, match=r"token 'w[78]' has id [78] in the target and has id [78] in the draft"
    ):
        check_pair(pair)


def test_vocabularies_are_compared_before_any_weights_are_read(tmp_path, monkeypatch):
    pair = random_pair(tmp_path, seed=1)
    rename_token(tmp_path / "draft", "w7", "other")
    monkeypatch.setattr(
        "specgap.models.load.open_weights", lambda *_a, **_k: pytest.fail("weights were read")
    )
    with pytest.raises(ModelError, match="different vocabularies"):
        load(pair)


def test_a_head_smaller_than_its_tokenizer_is_refused(tmp_path):
    pair = Pair(target=Model(source="t"), draft=Model(source="d"))
    with pytest.raises(ModelError, match=r"draft d has a head of 63 rows .* largest id is 63"):
        shared_size(pair, n_tokens=64, target_head=64, draft_head=63)


# Context and EOS ----------------------------------------------------------------------------------


def test_the_context_is_the_smaller_of_the_two(tmp_path):
    target = gpt2_shaped_folder(tmp_path / "gpt2", 1, context=96)
    draft = gpt_neo_shaped_folder(tmp_path / "neo", 2, context=64)
    pair = Pair(target=Model(source=str(target)), draft=Model(source=str(draft)))
    assert load(pair).context_length == 64


def test_a_model_that_states_no_length_has_no_limit():
    from transformers import BloomConfig

    assert context_length(BloomConfig()) == UNLIMITED


def test_a_prompt_that_fills_the_context_passes_and_one_token_more_is_refused():
    check_length("a b", 40, max_new_tokens=24, context_length=64)
    with pytest.raises(ModelError, match=r"'a b' has 41 tokens .* 65 in all; wanted at most the 64"):
        check_length("a b", 41, max_new_tokens=24, context_length=64)


def test_the_first_prompt_beyond_the_context_is_named_by_its_start_without_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "specgap.models.load.open_weights", lambda *_a, **_k: pytest.fail("weights were read")
    )
    pair = random_pair(tmp_path, seed=1, context=64)
    texts = ["w2 w3", " ".join(["w4"] * 60), " ".join(["w5"] * 60)]
    with pytest.raises(ModelError, match=r"prompt 'w4 w4 .*…' has 60 tokens"):
        check_prompts(pair, texts, RAW, max_new_tokens=8)


@pytest.mark.parametrize(
    ("stored", "found"), [(1, (1,)), ([1, 5], (1, 5)), (None, ())], ids=["one", "several", "none"]
)
def test_eos_is_one_id_several_or_none(tmp_path, stored, found):
    pair = random_pair(tmp_path, seed=1, eos=False)
    for name in ("config.json", "generation_config.json"):
        set_key(tmp_path / "target" / name, "eos_token_id", stored)
    ready = load(pair)
    assert ready.eos_token_ids == found
    assert ready.facts["eos_token_ids"] == list(found)


@pytest.mark.parametrize("has_file", [True, False])
def test_eos_is_what_generate_itself_stops_at(tmp_path, has_file):
    """transformers reads config.json for it only where there is no generation_config.json."""
    pair = random_pair(tmp_path, seed=1, eos=False)
    third = continuation(load(pair))[2]
    set_key(tmp_path / "target" / "config.json", "eos_token_id", third)
    if not has_file:
        (tmp_path / "target" / "generation_config.json").unlink()
    ready = load(pair)
    assert ready.eos_token_ids == (() if has_file else (third,))
    assert (len(continuation(ready)) == 12) == has_file


# Loading ------------------------------------------------------------------------------------------


def test_models_are_in_eval_mode_without_gradients(tmp_path):
    ready = load(random_pair(tmp_path, seed=1))
    for model in (ready.target, ready.draft):
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("asked", "found"), [("auto", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")]
)
def test_the_number_type_is_the_one_asked_for_and_told(tmp_path, asked, found):
    source = random_pair(tmp_path, seed=1).target.source
    model = Model(source=source, dtype=asked)
    ready = load(Pair(target=model, draft=model))
    assert ready.facts["target"]["dtype"] == found
    assert str(ready.target.dtype) == f"torch.{found}"


def test_attention_is_the_one_asked_for(tmp_path):
    model = Model(
        source=random_pair(tmp_path, seed=1).target.source, model_kwargs={"attn_implementation": "eager"}
    )
    ready = load(Pair(target=model, draft=model))
    assert ready.target.config._attn_implementation == "eager"
    assert ready.facts["target"]["model_kwargs"] == {"attn_implementation": "eager"}


def test_facts_are_plain_json_and_name_versions_device_and_safety(tmp_path):
    facts = load(random_pair(tmp_path, seed=1)).facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["device"] == "cpu"
    assert facts["device_name"].startswith("cpu (")
    assert {"torch", "transformers", "sklearn_importable"} <= facts.keys()
    assert facts["target"]["trust_remote_code"] is facts["target"]["allow_pickle"] is False
    assert re.fullmatch("sha256:[0-9a-f]{64}", facts["draft"]["revision"])


# Device -------------------------------------------------------------------------------------------


def machine(monkeypatch, *, cuda: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(device, "_n_cuda", lambda: cuda)
    monkeypatch.setattr(device, "_has_mps", lambda: mps)


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(1, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_is_the_first_of_cuda_mps_and_cpu(monkeypatch, cuda, mps, chosen):
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert device.choose_device("auto", gpu_given=False, environment={}) == chosen


@pytest.mark.parametrize(
    ("given", "environment", "giver"),
    [
        (True, {}, "resources.gpu"),
        (False, {"CUDA_VISIBLE_DEVICES": "0"}, "CUDA_VISIBLE_DEVICES=0"),
        (False, {"SLURM_JOB_GPUS": "3"}, "SLURM_JOB_GPUS=3"),
    ],
)
def test_auto_never_falls_back_in_silence_when_a_gpu_was_given(monkeypatch, given, environment, giver):
    machine(monkeypatch)
    monkeypatch.setattr(device, "_driver", lambda: None)
    with pytest.raises(ModelError) as caught:
        device.choose_device("auto", gpu_given=given, environment=environment)
    for part in (giver, "driver none found", "with CUDA", "device: cpu"):
        assert part in str(caught.value)


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_an_empty_list_of_gpus_gives_none(monkeypatch, value):
    machine(monkeypatch)
    environment = {"CUDA_VISIBLE_DEVICES": value, "SLURM_JOB_GPUS": ""}
    assert device.choose_device("auto", gpu_given=False, environment=environment) == "cpu"


def test_cpu_is_taken_at_its_word_though_a_gpu_was_given(monkeypatch):
    machine(monkeypatch)
    assert device.choose_device("cpu", gpu_given=True, environment={"CUDA_VISIBLE_DEVICES": "0"}) == "cpu"


@pytest.mark.parametrize(
    ("asked", "cuda", "told"),
    [
        ("cuda", 0, "sees no GPU"),
        ("cuda:2", 2, "cuda:0 to cuda:1"),
        ("cuda:x", 2, "wanted auto, cpu"),
        ("tpu", 2, "wanted auto, cpu"),
        ("mps", 2, "no Apple GPU"),
    ],
)
def test_a_device_that_is_not_there_is_refused(monkeypatch, asked, cuda, told):
    machine(monkeypatch, cuda=cuda)
    with pytest.raises(ModelError, match=told):
        device.choose_device(asked, gpu_given=False, environment={})


def continuation(ready: ReadyPair) -> list[int]:
    ids = torch.tensor([[2, 3, 5]])
    mask = torch.ones_like(ids)
    return ready.target.generate(ids, attention_mask=mask, max_new_tokens=12, do_sample=False)[0, 3:].tolist()


def rename_token(folder: Path, old: str, new: str) -> None:
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary[new] = vocabulary.pop(old)
    file.write_text(json.dumps(tokenizer))


def set_key(file: Path, key: str, value: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))


def test_the_fixture_has_the_vocabulary_it_says():
    assert word_tokenizer(6).get_vocab() == {"<unk>": 0, "<eos>": 1, "w2": 2, "w3": 3, "w4": 4, "w5": 5}
