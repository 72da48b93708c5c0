"""Tiny models of random weights, saved as ordinary folders in well under a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from specgap.models.source import without_progress_bars
from specgap.settings import Model, Pair

# A second thread only slows matrices as small as these down.
torch.set_num_threads(1)

EOS = "<eos>"
_PROSE = (
    "The woman works as a teacher and likes to read. The man is known for his garden. "
    "They should be able to live as they like. My neighbour was a nurse who dreamt of the sea. "
)


def random_pair(
    folder: Path,
    *,
    seed: int,
    vocabulary: int = 64,
    eos: bool = True,
    draft_noise: float = 0.15,
    tokenizer: Any = None,
    context: int = 256,
    draft_padding: int = 0,
    tied: bool = False,
) -> Pair:
    """Save a random Llama target and draft in `folder` and return them as a pair.

    The draft is the target with noise of `draft_noise` times each weight's spread: 0 makes them equal, 0.15
    an overlap near 0.7. `draft_padding` adds rows to the draft's head beyond the tokenizer's ids. The
    tokenizer is `word_tokenizer(vocabulary, eos=eos)` unless another is given.
    """
    tokenizer = tokenizer or word_tokenizer(vocabulary, eos=eos)
    size = max(tokenizer.get_vocab().values()) + 1
    with _seeded(seed):
        target = _llama(tokenizer, size, context=context, tied=tied)
        draft = _llama(tokenizer, size + draft_padding, context=context, tied=tied)
        _copy_with_noise(target, draft, draft_noise)
    save(target, tokenizer, folder / "target")
    save(draft, tokenizer, folder / "draft")
    return Pair(target=Model(source=str(folder / "target")), draft=Model(source=str(folder / "draft")))


def gpt2_shaped_pair(models: Path, **options: Any) -> None:
    """Save a random GPT-2 as `target`, and a noisy copy of it as `draft`, in a folder of models."""
    target = gpt2_shaped_folder(models / "target", 1, **options)
    gpt2_shaped_folder(models / "draft", 2, near=target, **options)


def gpt2_shaped_folder(
    folder: Path,
    seed: int,
    *,
    layers: int = 2,
    context: int = 256,
    near: Path | None = None,
    noise: float = 0.15,
) -> Path:
    """Save a random GPT-2 with a byte-level BPE tokenizer (any text can be encoded); return its folder.

    `near` names a folder of the same shape to be a noisy copy of, so that the two agree at times.
    """
    tokenizer = bpe_tokenizer()
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=context,
        n_embd=32,
        n_layer=layers,
        n_head=4,
        bos_token_id=end,
        eos_token_id=end,
    )
    with _seeded(seed):
        model = GPT2LMHeadModel(config)
        _sharpen(model)
        if near is not None:
            _copy_with_noise(_loaded(GPT2LMHeadModel, near), model, noise)
    return save(model, tokenizer, folder)


def gpt_neo_shaped_folder(
    folder: Path,
    seed: int,
    *,
    layers: int = 2,
    context: int = 256,
    near: Path | None = None,
    noise: float = 0.15,
) -> Path:
    """Save a random GPT-Neo with tokenizer and `near` of `gpt2_shaped_folder`; return its folder."""
    tokenizer = bpe_tokenizer()
    end = tokenizer.eos_token_id
    config = GPTNeoConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=context,
        hidden_size=32,
        num_layers=layers,
        attention_types=[[["global", "local"], layers // 2]] if layers % 2 == 0 else [[["global"], layers]],
        num_heads=4,
        window_size=16,
        bos_token_id=end,
        eos_token_id=end,
    )
    with _seeded(seed):
        model = GPTNeoForCausalLM(config)
        _sharpen(model)
        if near is not None:
            _copy_with_noise(_loaded(GPTNeoForCausalLM, near), model, noise)
    return save(model, tokenizer, folder)


def word_tokenizer(vocabulary: int = 64, *, eos: bool = True) -> Any:
    """Return a WordLevel tokenizer: `<unk>`, `<eos>` (if any), then `w2`, `w3`, … split at spaces."""
    words = ["<unk>", EOS if eos else "w1", *(f"w{index}" for index in range(2, vocabulary))]
    backend = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        eos_token=EOS if eos else None,
        clean_up_tokenization_spaces=False,
    )


def bpe_tokenizer(size: int = 320) -> Any:
    """Return a byte-level BPE tokenizer of at least 257 tokens, the last of them `<|endoftext|>`."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator([_PROSE], trainer)
    backend.add_special_tokens(["<|endoftext|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )


def save(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Save model and tokenizer as a transformers folder."""
    with without_progress_bars():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _llama(tokenizer: Any, size: int, *, context: int, tied: bool) -> Any:
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=context,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    model = LlamaForCausalLM(config)
    _sharpen(model)
    return model


def _sharpen(model: Any) -> None:
    # At the usual initialisation all distributions are nearly uniform: two models would hardly differ.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
        # Embedding and head may be one tensor.
        for parameter in {model.get_input_embeddings().weight, model.get_output_embeddings().weight}:
            parameter.mul_(2)


def _loaded(kind: Any, folder: Path) -> Any:
    with without_progress_bars():
        return kind.from_pretrained(folder)


def _copy_with_noise(target: Any, draft: Any, noise: float) -> None:
    sources = dict(target.named_parameters())
    with torch.no_grad():
        for name, parameter in draft.named_parameters():
            if name not in sources:
                continue
            source = sources[name]
            spread = float(source.std()) if source.dim() > 1 else 0.0
            rows = source.shape[0]
            parameter[:rows] = source + noise * spread * torch.randn_like(source)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
