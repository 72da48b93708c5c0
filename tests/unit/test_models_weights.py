"""A model whose files do not hold just what it computes with is refused, and its digest knows every bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import MixtralConfig, MixtralForCausalLM

from specgap.errors import ModelError
from specgap.models.load import ReadyPair, ready_pair
from specgap.models.source import check_weights
from specgap.models.weights import digest
from specgap.settings import Model, Pair
from tests.support.tiny_models import (
    gpt2_shaped_folder,
    gpt_neo_shaped_folder,
    random_pair,
    save,
    word_tokenizer,
)

pytestmark = pytest.mark.slow

Tensors = dict[str, torch.Tensor]


def load(folder: Path, **options: Any) -> ReadyPair:
    model = Model(source=str(folder), **options)
    return ready_pair(Pair(target=model, draft=model), device="cpu", gpu_given=False)


def rewritten(folder: Path, change: Callable[[Tensors], Tensors]) -> Path:
    """Let a folder's file hold what `change` makes of its tensors."""
    file = folder / "model.safetensors"
    tensors = change(load_file(file))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file, {"format": "pt"})
    return folder


def refused(folder: Path, **options: Any) -> str:
    """Return the one sentence in which a folder is refused, by a job that loads it and by `check` alike."""
    model = Model(source=str(folder), **options)
    said = []
    for refuse in (lambda: check_weights(model), lambda: load(folder, **options)):
        with pytest.raises(ModelError) as caught:
            refuse()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    assert str(folder) in said[0]
    return said[0]


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    random_pair(tmp_path, seed=1)
    return tmp_path / "target"


@pytest.fixture
def tied(tmp_path: Path) -> Path:
    random_pair(tmp_path, seed=1, tied=True)
    return tmp_path / "target"


# Files and architecture ---------------------------------------------------------------------------


def prefixed(tensors: Tensors) -> Tensors:
    return {f"_orig_mod.{name}": tensor for name, tensor in tensors.items()}


def test_a_model_saved_while_compiled_is_refused_by_its_first_tensor(llama: Path) -> None:
    said = refused(rewritten(llama, prefixed))
    assert "holds no lm_head.weight, but _orig_mod.lm_head.weight, which it does not use" in said
    assert "(20 more tensors" in said


def test_one_missing_tensor_is_named(llama: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    said = refused(rewritten(llama, lambda tensors: {n: t for n, t in tensors.items() if n != name}))
    assert f"holds no {name}; expected every tensor that LlamaForCausalLM computes with" in said


def test_a_tensor_of_another_shape_is_named_with_both(llama: Path) -> None:
    said = refused(rewritten(llama, lambda tensors: tensors | {"model.norm.weight": torch.ones(31)}))
    assert "holds model.norm.weight with shape (31,); expected (32,)" in said


def test_a_tensor_that_the_model_does_not_use_is_named(llama: Path) -> None:
    name = "model.layers.0.self_attn.q_proj.bias"
    said = refused(rewritten(llama, lambda tensors: tensors | {name: torch.zeros(32)}))
    assert f"holds {name}, which LlamaForCausalLM does not use by config.json" in said


def test_a_config_of_fewer_layers_than_the_files_have_is_refused(llama: Path) -> None:
    config = json.loads((llama / "config.json").read_text())
    (llama / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    assert "holds model.layers.1.input_layernorm.weight" in refused(llama)


def test_a_tied_head_that_only_its_embedding_is_saved_of_loads(tied: Path) -> None:
    assert "lm_head.weight" not in load_file(tied / "model.safetensors")
    assert check_weights(Model(source=str(tied)))
    target = load(tied).target
    assert target.get_output_embeddings().weight is target.get_input_embeddings().weight


def test_a_tied_pair_of_which_neither_is_saved_is_refused(tied: Path) -> None:
    without = rewritten(tied, lambda tensors: {n: t for n, t in tensors.items() if "embed" not in n})
    assert "holds no lm_head.weight" in refused(without)


def test_an_untied_head_that_is_missing_is_refused(llama: Path) -> None:
    without = rewritten(llama, lambda tensors: {n: t for n, t in tensors.items() if "lm_head" not in n})
    assert "holds no lm_head.weight" in refused(without)


def test_pickles_are_held_to_the_same(llama: Path) -> None:
    torch.save(prefixed(load_file(llama / "model.safetensors")), llama / "pytorch_model.bin")
    (llama / "model.safetensors").unlink()
    assert "holds no lm_head.weight, but _orig_mod." in refused(llama, allow_pickle=True)


def test_shards_are_held_to_the_same(llama: Path) -> None:
    tensors = load_file(llama / "model.safetensors")
    (llama / "model.safetensors").unlink()
    tensors["model.norm.weight"] = torch.ones(31)
    names = sorted(tensors)
    weight_map = {}
    for number, some in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: tensors[name] for name in some}, llama / file, {"format": "pt"})
        weight_map |= dict.fromkeys(some, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (llama / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "holds model.norm.weight with shape (31,)" in refused(llama)


def test_tensors_that_do_not_make_up_the_architectures_are_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_local_experts": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    model = MixtralForCausalLM(MixtralConfig(vocab_size=64, **sizes, **heads))
    folder = save(model, word_tokenizer(), tmp_path / "mixtral")
    assert check_weights(Model(source=str(folder)))
    (name,) = [n for n in load_file(folder / "model.safetensors") if n.endswith("experts.1.w1.weight")]
    said = refused(rewritten(folder, lambda tensors: tensors | {name: torch.zeros(15, 16)}))
    assert "do not make up model.layers.0.mlp.experts.gate_up_proj" in said


# What is harmless ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias", "h.1.attn.masked_bias"]
)
def test_the_causal_mask_of_an_old_gpt2_is_harmless(name: str, tmp_path: Path) -> None:
    folder = gpt2_shaped_folder(tmp_path, 1)
    before = load(folder).facts["target"]["loaded_xxh3_128"]
    rewritten(folder, lambda tensors: tensors | {name: torch.ones(1, 1, 4, 4)})
    assert check_weights(Model(source=str(folder)))
    assert load(folder).facts["target"]["loaded_xxh3_128"] == before


@pytest.mark.parametrize("name", ["attn.attention.bias", "attn.attention.masked_bias"])
def test_the_causal_mask_of_an_old_gpt_neo_is_harmless(name: str, tmp_path: Path) -> None:
    folder = gpt_neo_shaped_folder(tmp_path, 1)
    rewritten(folder, lambda tensors: tensors | {f"transformer.h.0.{name}": torch.ones(1)})
    assert check_weights(Model(source=str(folder)))


def test_what_an_architecture_computes_may_be_in_its_files(llama: Path) -> None:
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    assert check_weights(Model(source=str(rewritten(llama, lambda tensors: tensors | {name: torch.ones(4)}))))


def test_the_mask_of_one_architecture_is_not_harmless_in_another(llama: Path) -> None:
    name = "model.layers.0.attn.bias"
    assert f"holds {name}" in refused(rewritten(llama, lambda tensors: tensors | {name: torch.ones(1)}))


def test_names_without_the_prefix_of_the_whole_model_are_read_as_transformers_reads_them(
    tmp_path: Path,
) -> None:
    folder = gpt2_shaped_folder(tmp_path, 1)
    before = load(folder).facts["target"]["loaded_xxh3_128"]
    rewritten(folder, lambda tensors: {n.removeprefix("transformer."): t for n, t in tensors.items()})
    assert check_weights(Model(source=str(folder)))
    assert load(folder).facts["target"]["loaded_xxh3_128"] == before


# The digest ---------------------------------------------------------------------------------------


def flip_a_bit(tensor: torch.Tensor) -> torch.Tensor:
    flipped = tensor.clone()
    flipped.view(-1).view(torch.int32)[-1] ^= 1
    return flipped


def test_one_bit_of_one_weight_changes_the_digest_and_a_second_load_does_not(llama: Path) -> None:
    first, again = (digest(load(llama).target) for _ in range(2))
    name = "model.layers.1.mlp.down_proj.weight"
    rewritten(llama, lambda tensors: tensors | {name: flip_a_bit(tensors[name])})
    assert first == again != digest(load(llama).target)


def test_the_digest_is_of_what_the_run_computes_with(llama: Path) -> None:
    digests = [load(llama, dtype=dtype).facts["target"]["loaded_xxh3_128"] for dtype in ("auto", "bfloat16")]
    assert digests[0] != digests[1]


def test_the_digest_is_the_same_in_one_piece_and_in_many(tied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = load(tied).target
    whole = digest(target)
    monkeypatch.setattr("specgap.models.weights._CHUNK", 100)
    assert digest(target) == whole


def test_a_computed_buffer_is_in_the_digest_but_not_its_last_digits(llama: Path) -> None:
    target = load(llama).target
    before, frequencies = digest(target), target.model.rotary_emb.inv_freq
    frequencies[1] *= 1 + 1e-7
    assert digest(target) == before
    frequencies[1] *= 2
    assert digest(target) != before


def test_a_buffer_that_the_files_hold_is_in_the_digest_to_the_last_bit(llama: Path) -> None:
    target = load(llama).target
    target.register_buffer("scale", torch.ones(3))
    before = digest(target)
    target.scale = flip_a_bit(target.scale)
    assert digest(target) != before


def test_a_model_left_in_main_memory_has_the_same_digest(llama: Path) -> None:
    from accelerate import cpu_offload

    target = load(llama).target
    before = digest(target)
    cpu_offload(target, execution_device=torch.device("cpu"))
    assert {parameter.device.type for parameter in target.parameters()} == {"meta"}
    assert digest(target) == before
