"""A pair of models, checked without its weights and then loaded, ready to be traced."""

import importlib.metadata
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from specgap.errors import ModelError
from specgap.models.device import choose_device, device_name
from specgap.models.encoding import encode
from specgap.models.folders import Stamp, folder_stamp, weights_format
from specgap.models.source import open_config, open_tokenizer, open_weights, revision_of
from specgap.models.templates import check_template
from specgap.models.vocabulary import check_vocabularies, cut_head, head_rows, shared_size
from specgap.models.weights import digest
from specgap.settings import Model, Pair, PromptFormat

#: Context length of a model that states none (ALiBi, state-space models).
UNLIMITED = 2**31 - 1
_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")


@dataclass(frozen=True)
class ReadyPair:
    """Two loaded models with one vocabulary: in eval mode, without gradients, on their device."""

    target: Any
    draft: Any
    tokenizer: Any  # the target's
    vocabulary_size: int
    context_length: int  # in tokens, the smaller of the two
    eos_token_ids: tuple[int, ...]  # the target's; empty where it has none
    eos_of_prompts: tuple[int, ...] = ()  # `eos` of `encoding.encode`
    facts: dict[str, Any] = field(default_factory=dict)  # JSON values
    stamps: tuple[tuple[Model, Stamp], ...] = ()  # what its folders were when it was loaded

    def check_unchanged(self) -> None:
        """Raise `ModelError` where a folder has changed since it was loaded: its digest would not be true."""
        for model, stamp in self.stamps:
            if _stamp_of(model) != stamp:
                raise ModelError(
                    f"model folder {model.source} has changed while it was in use; "
                    "wanted it left alone until the job has ended, so run it again"
                )


@dataclass(frozen=True)
class _Opened:
    """What a pair tells without its weights."""

    configs: tuple[Any, Any]
    tokenizer: Any
    vocabulary_size: int
    context_length: int
    eos_of_prompts: tuple[int, ...]


def check_pair(pair: Pair) -> None:
    """Refuse, without loading weights, a pair that is missing, unsafe, not causal or of two vocabularies."""
    _open(pair)


def check_prompts(
    pair: Pair, texts: Iterable[str], prompt_format: PromptFormat, *, max_new_tokens: int
) -> dict[str, list[int]]:
    """Return each text's token ids; loads no weights.

    Raises `ModelError` for the first prompt that has no tokens or exceeds the pair's context, and for a chat
    template whose prompts would depend on the day.
    """
    opened = _open(pair)
    check_template(opened.tokenizer, prompt_format)
    encoded: dict[str, list[int]] = {}
    for text in texts:
        ids = encode(opened.tokenizer, text, prompt_format, eos=opened.eos_of_prompts)
        check_length(text, len(ids), max_new_tokens=max_new_tokens, context_length=opened.context_length)
        encoded[text] = ids
    return encoded


def check_length(text: str, n_tokens: int, *, max_new_tokens: int, context_length: int) -> None:
    """Refuse a prompt that leaves no room for `max_new_tokens` in the context (all in tokens)."""
    if n_tokens + max_new_tokens <= context_length:
        return
    start = text if len(text) <= 40 else f"{text[:39]}…"
    raise ModelError(
        f"prompt {start!r} has {n_tokens} tokens and decoding adds up to {max_new_tokens}, "
        f"{n_tokens + max_new_tokens} in all; wanted at most the {context_length} that both models can hold"
    )


def context_length(config: Any) -> int:
    """Return how many tokens a model can hold by its config, or `UNLIMITED`."""
    text_config = config.get_text_config()
    for key in _LENGTH_KEYS:
        value = getattr(text_config, key, None)
        if isinstance(value, int) and value > 0:
            return value
    return UNLIMITED


def ready_pair(pair: Pair, *, device: str, gpu_given: bool) -> ReadyPair:
    """Load a pair onto its device; raise `ModelError` of one sentence for every way it cannot be used."""
    chosen = choose_device(device, gpu_given=gpu_given)
    opened = _open(pair)
    models: list[Any] = []
    facts: dict[str, Any] = {}
    stamps: list[tuple[Model, Stamp]] = []
    for role, model, config in zip(
        ("target", "draft"), (pair.target, pair.draft), opened.configs, strict=True
    ):
        stamps.append((model, _stamp_of(model)))
        loaded, facts[role] = _load(model, config, size=opened.vocabulary_size, device=chosen)
        models.append(loaded)
    target, draft = models
    eos = _eos_token_ids(target)
    facts |= {
        "vocabulary_size": opened.vocabulary_size,
        "context_length": None if opened.context_length == UNLIMITED else opened.context_length,
        "eos_token_ids": list(eos),
        "device": chosen,
        "device_name": device_name(chosen),
        **_versions(),
    }
    size, length = opened.vocabulary_size, opened.context_length
    ready = ReadyPair(
        target, draft, opened.tokenizer, size, length, eos, opened.eos_of_prompts, facts, tuple(stamps)
    )
    ready.check_unchanged()
    return ready


def _open(pair: Pair) -> _Opened:
    configs = (open_config(pair.target), open_config(pair.draft))
    tokenizer, drafts_own = open_tokenizer(pair.target), open_tokenizer(pair.draft)
    vocabulary = tokenizer.get_vocab()
    check_vocabularies(pair, vocabulary, drafts_own.get_vocab())
    heads = [int(config.get_text_config().vocab_size) for config in configs]
    size = shared_size(pair, n_tokens=max(vocabulary.values()) + 1, target_head=heads[0], draft_head=heads[1])
    length = min(context_length(config) for config in configs)
    eos = _ids_of(getattr(configs[0].get_text_config(), "eos_token_id", None))
    return _Opened(configs, tokenizer, size, length, eos)


def _load(model: Model, config: Any, *, size: int, device: str) -> tuple[Any, dict[str, Any]]:
    revision = revision_of(model, config)
    loaded = open_weights(model, config, revision=revision)
    if "device_map" not in model.model_kwargs:
        loaded.to(device)
    cut = cut_head(loaded, size)
    loaded.eval().requires_grad_(False)
    if head_rows(loaded) != size:
        raise ModelError(f"model {model.source} has {head_rows(loaded)} logits after cutting; wanted {size}")
    return loaded, {
        "source": model.source,
        "revision": revision,
        "architecture": type(loaded).__name__,
        "n_parameters": sum(parameter.numel() for parameter in loaded.parameters()),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "loaded_xxh3_128": digest(loaded),
        "head": cut,
        "weights": weights_format(model),
        "trust_remote_code": model.trust_remote_code,
        "allow_pickle": model.allow_pickle,
        "model_kwargs": dict(model.model_kwargs),
    }


def _stamp_of(model: Model) -> Stamp:
    try:
        return folder_stamp(model)
    except OSError:  # a file that goes while it is looked at
        return ()


def _eos_token_ids(target: Any) -> tuple[int, ...]:
    """Return the ids that `generate` stops at.

    transformers takes them from generation_config.json, and from config.json only where that file is missing.
    """
    return _ids_of(target.generation_config.eos_token_id)


def _ids_of(found: Any) -> tuple[int, ...]:
    """Return the ids of a config's `eos_token_id`: none, one or several."""
    if found is None:
        return ()
    return (int(found),) if isinstance(found, int) else tuple(int(token) for token in found)


def _versions() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("torch", "transformers")}
    return {**versions, "sklearn_importable": importlib.util.find_spec("sklearn") is not None}
