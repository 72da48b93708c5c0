"""What is read of a model, from a folder or the hub: config, tokenizer, weights, and their revision.

Everything goes through transformers' own `from_pretrained`: without remote code and without pickle, unless
the `Model` says otherwise.
"""

import importlib.util
import os
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from specgap.errors import ModelError
from specgap.files import read_json
from specgap.models.failures import one_sentence
from specgap.models.folders import check_source, folder_of, folder_revision
from specgap.models.weights import check_loaded, reports_read
from specgap.settings import Model


def revision_of(model: Model, config: Any) -> str:
    """Return the commit of a hub model whose config was just loaded, or the digest of a folder.

    transformers 5.23 no longer says it with the config; the hub's cache knows which one it gave.
    """
    folder = folder_of(model)
    if folder is not None:
        return folder_revision(folder)
    commit = getattr(config, "_commit_hash", None) or _cached_commit(model)
    if isinstance(commit, str):
        return commit
    raise ModelError(
        f"hub model {model.source} came without a commit, so its trace could not say what it was made with; "
        f"download it to a folder and give that folder's path"
    )


def open_config(model: Model) -> Any:
    """Return a model's transformers config; refuse models that are not causal."""
    from transformers import AutoConfig

    check_source(model)
    config = _read(model, "config", AutoConfig.from_pretrained, {})
    _check_causal(model, config)
    return config


def open_tokenizer(model: Model) -> Any:
    """Return a model's own tokenizer (fast where there is one)."""
    from transformers import AutoTokenizer

    check_source(model)
    folder = folder_of(model)
    # transformers makes an empty tokenizer up from config.json alone when no tokenizer file is there.
    if folder is not None and not any(
        file.is_file() for pattern in ("tokenizer*", "vocab*", "*.model") for file in folder.glob(pattern)
    ):
        raise ModelError(
            f"model folder {model.source} has no tokenizer; wanted tokenizer.json beside config.json, "
            f"as tokenizer.save_pretrained writes it"
        )
    return _read(model, "tokenizer", AutoTokenizer.from_pretrained, {})


def open_weights(model: Model, config: Any, *, revision: str) -> Any:
    """Return the model itself, on the device that `from_pretrained` chose.

    `revision` is the one `revision_of` gave, so that a hub branch cannot move between config and weights.
    Raises `ModelError` where the files do not hold just what the model computes with.
    """
    return _weights(model, config, revision, {str(key): value for key, value in model.model_kwargs.items()})


def check_weights(model: Model) -> bool:
    """Refuse a model as `open_weights` does, at the cost of its files' headers; no tensor takes memory.

    Returns whether it could be done: torch has to be there, and the weights of a hub model in the cache.
    """
    if importlib.util.find_spec("torch") is None or not _are_here(model):
        return False
    config = open_config(model)
    # Where a model is placed and how it attends decides no tensor, and may ask for a GPU.
    _weights(model, config, revision_of(model, config), {"device_map": "meta"})
    return True


def _weights(model: Model, config: Any, revision: str, options: dict[str, Any]) -> Any:
    from transformers import AutoModelForCausalLM

    options = {"config": config, "dtype": model.dtype, **options}
    # None lets transformers take either format; True makes it refuse pickle.
    options["use_safetensors"] = None if model.allow_pickle else True
    # Shapes that differ are told with the rest, and refused below with both.
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    with ExitStack() as around:
        if folder_of(model) is None:
            options["revision"] = revision
        else:
            around.enter_context(without_progress_bars())
        if "device_map" not in options:
            around.enter_context(_without_threads())
        around.enter_context(reports_read(model))
        loaded, info = _read(model, "weights", AutoModelForCausalLM.from_pretrained, options)
    check_loaded(model, loaded, info)
    return loaded


def _are_here(model: Model) -> bool:
    """Say whether weights lie on this disk, all files of them: a folder's do, a hub model's may be cached."""
    if folder_of(model) is not None:
        return True
    from huggingface_hub import try_to_load_from_cache

    def cached(name: str) -> str | None:
        found = try_to_load_from_cache(model.source, name, revision=model.revision)
        return found if isinstance(found, str) else None

    for name in ("model.safetensors", "pytorch_model.bin") if model.allow_pickle else ("model.safetensors",):
        if cached(name):
            return True
        if index := cached(f"{name}.index.json"):
            return all(map(cached, set(read_json(Path(index))["weight_map"].values())))
    return False


@contextmanager
def _without_threads() -> Iterator[None]:
    """Let transformers read weights into main memory one after the other.

    Where a thread has no memory left for its first step, Python waits for ever for word of its start: a job
    with a limit (`ulimit -v`, `h_vmem`) would hang until its time is over in place of ending in a sentence.
    """
    name = "HF_DEACTIVATE_ASYNC_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing bars: a folder is read in a moment, and they would only fill logs."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _cached_commit(model: Model) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model.source, "config.json", revision=model.revision)
    return Path(found).parent.name if isinstance(found, str) else None


def _read(model: Model, what: str, read: Callable[..., Any], options: dict[str, Any]) -> Any:
    folder = folder_of(model)
    if folder is None:
        # Without a network the hub's client retries for most of a minute before it looks into its cache.
        options = {"local_files_only": is_offline(), **options}
        if model.revision is not None:
            options = {"revision": model.revision, **options}
    with one_sentence(model, what):
        return read(
            str(folder) if folder is not None else model.source,
            trust_remote_code=model.trust_remote_code,
            **options,
        )


@cache
def is_offline() -> bool:
    """Say whether the hub is not to be asked, or its host is unknown here.

    Behind a proxy only the client itself can tell.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return True
    if any(name.lower() in ("https_proxy", "all_proxy") and value for name, value in os.environ.items()):
        return False
    host = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return True
    return False


def _check_causal(model: Model, config: Any) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = getattr(config, "model_type", "")
    remote = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    architectures = list(getattr(config, "architectures", None) or [])
    causal = [name for name in architectures if name.endswith(("ForCausalLM", "LMHeadModel"))]
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"model {model.source} is an encoder-decoder ({kind}); wanted a causal (decoder-only) model"
        )
    if (
        not remote
        and (
            kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
            or (architectures and not _known_head(kind, architectures))
        )
        and not causal
    ):
        found = ", ".join(architectures) or kind or "unknown"
        raise ModelError(
            f"model {model.source} is not a causal language model ({found}); wanted a causal one"
        )


def _known_head(kind: str, architectures: list[str]) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    known = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)
    names = {known} if isinstance(known, str) else set(known or ())
    return bool(names.intersection(architectures))
