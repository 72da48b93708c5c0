"""Whether a model's files hold all that the model computes with, and the digest of what was loaded.

transformers makes up at random what the files do not hold, and only logs it. What it found is read here.
"""

import importlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

from specgap.errors import ModelError
from specgap.models.folders import named
from specgap.settings import Model

_LOADER = "transformers.modeling_utils"
_CONVERSION = re.compile(r"^(.+?)\s*\|\s*\S*CONVERSION", re.MULTILINE)
#: How much of a tensor is brought to the CPU and digested at once, in bytes.
_CHUNK = 64 << 20


@dataclass(frozen=True)
class Harmless:
    """Tensors that files may hold and a model does not use: a pattern of names, and why it needs none.

    `kinds` are the model types (`config.model_type`) that it holds for; empty for all.
    """

    pattern: str
    reason: str
    kinds: tuple[str, ...] = ()


#: What may be in the files beside what the model uses. Harmless too is what an architecture itself lists in
#: `_keys_to_ignore_on_load_unexpected`, and whatever has the name of a buffer that the model computes.
HARMLESS = (
    Harmless(
        r"\.attn(\.attention)?\.(bias|masked_bias|causal_mask)$",
        "the causal mask and its fill value, which earlier releases of transformers saved as buffers",
        ("gpt2", "gpt_neo", "gptj", "codegen"),
    ),
    Harmless(
        r"\.attention\.(bias|masked_bias)$",
        "the same in GPT-NeoX, whose layers call their attention so",
        ("gpt_neox",),
    ),
    Harmless(
        r"(^|\.)(maybe_)?rotary\w*\.inv_freq$",
        "rotary frequencies, which every architecture computes from its config",
    ),
    Harmless(r"(^|\.)position_ids$", "the numbers 0, 1, 2, …"),
    Harmless(r"(^|\.)decoder\.version$", "the number of a file format of fairseq", ("opt",)),
    Harmless(
        r"(^|\.)mtp(_layers)?\.",
        "further layers that propose several tokens at once, which no forward pass of the model runs",
    ),
)


@contextmanager
def reports_read(model: Model) -> Iterator[None]:
    """Keep transformers' table of what did not fit from the log, since `check_loaded` says it in a sentence.

    Where tensors cannot be turned into the architecture's, only the table says which: raises `ModelError`.
    """
    report = _Report()
    logger = logging.getLogger(_LOADER)
    logger.addFilter(report)
    try:
        yield
    except ModelError as error:
        if found := _CONVERSION.search(report.text):
            raise ModelError(
                f"{named(model)} holds tensors that do not make up {found[1]}; expected those that "
                "transformers converts to it, with their shapes"
            ) from error
        raise
    finally:
        logger.removeFilter(report)


class _Report(logging.Filter):
    text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        if "LOAD REPORT" not in (message := record.getMessage()):
            return True
        self.text = message
        return False


def check_loaded(model: Model, loaded: Any, info: Mapping[str, Iterable[Any]]) -> None:
    """Refuse a model whose files do not hold what it computes with, or hold what it does not use.

    `info` is what `from_pretrained(…, output_loading_info=True)` gives beside the `loaded` model. Raises
    `ModelError` that names the first tensor.
    """
    architecture = type(loaded).__name__
    if mismatched := sorted(info["mismatched_keys"], key=lambda found: _natural(found[0])):
        name, in_file, expected = mismatched[0]
        raise ModelError(
            f"{named(model)} holds {name} with shape {tuple(in_file)}; expected {tuple(expected)}, which "
            f"{architecture} has by config.json{_and_more(mismatched)}"
        )
    unexpected = sorted(_unexpected(loaded, info["unexpected_keys"]), key=_natural)
    if missing := sorted(info["missing_keys"], key=_natural):
        instead = f", but {unexpected[0]}, which it does not use" if unexpected else ""
        raise ModelError(
            f"{named(model)} holds no {missing[0]}{instead}; expected every tensor that {architecture} "
            f"computes with under its own name{_and_more(missing)}"
        )
    if unexpected:
        raise ModelError(
            f"{named(model)} holds {unexpected[0]}, which {architecture} does not use by config.json; "
            f"expected files and config of one model{_and_more(unexpected)}"
        )


def digest(loaded: Any) -> str:
    """Return the XXH3-128 of a model's parameters and buffers: names, types, shapes and bytes.

    It is the same on every device and from run to run; tied tensors count once. Buffers that are computed and
    not loaded enter with the precision of bfloat16, since machines compute their last digits differently.
    """
    import torch
    import xxhash

    computed = {name for name, _ in loaded.named_non_persistent_buffers()}
    found = xxhash.xxh3_128()
    for name, tensor in _tensors(loaded):
        if name in computed and tensor.is_floating_point():
            tensor = tensor.to(torch.bfloat16)
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        for chunk in _chunks(tensor):
            found.update(chunk)
    return str(found.hexdigest())


def _tensors(loaded: Any) -> Iterator[tuple[str, Any]]:
    """Yield each parameter and buffer once, with its first name, in the order of the modules."""
    once = {name for name, _ in chain(loaded.named_parameters(), loaded.named_buffers())}
    for prefix, module in loaded.named_modules():
        with _at_hand(module):
            own = (
                module.named_parameters(prefix, recurse=False),
                module.named_buffers(prefix, recurse=False),
            )
            yield from ((name, tensor.detach()) for name, tensor in chain(*own) if name in once)


def _at_hand(module: Any) -> AbstractContextManager[Any]:
    """Bring a module's tensors back that `device_map` has left in main memory or on the disk."""
    if not hasattr(module, "_hf_hook"):
        return nullcontext()
    utils: Any = importlib.import_module("accelerate.utils")
    onto_its_device: AbstractContextManager[Any] = utils.align_module_device(module)
    return onto_its_device


def _chunks(tensor: Any) -> Iterator[Any]:
    import torch

    flat = (tensor if tensor.is_contiguous() else tensor.cpu().contiguous()).view(-1).view(torch.uint8)
    for start in range(0, len(flat), _CHUNK):
        yield flat[start : start + _CHUNK].cpu().numpy()


def _unexpected(loaded: Any, names: Iterable[str]) -> Iterator[str]:
    """Yield those of the names that are not harmless."""
    prefix, kind = loaded.base_model_prefix, loaded.config.model_type
    computed = {name for name, _ in loaded.named_non_persistent_buffers()}
    patterns = [one.pattern for one in HARMLESS if not one.kinds or kind in one.kinds]
    for name in names:
        is_computed = name in computed or f"{prefix}.{name}" in computed
        if not is_computed and not any(re.search(pattern, f".{name}") for pattern in patterns):
            yield name


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which layer 2 comes before layer 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


def _and_more(names: list[Any]) -> str:
    more = len(names) - 1
    return f" ({more} more tensor{'s' if more > 1 else ''} like it)" if more else ""
