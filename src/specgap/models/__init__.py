"""Target and draft: where they come from, whether they fit, and how texts become their tokens.

Names are looked up on first use, so that importing this package costs neither torch nor transformers.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from specgap.models.demo import train_demo_pair
    from specgap.models.encoding import encode
    from specgap.models.load import ReadyPair, check_length, check_pair, check_prompts, ready_pair
    from specgap.models.measure import measure_prompts, vocabulary_table
    from specgap.models.readable import token_texts
    from specgap.models.source import check_weights, open_tokenizer

_HOMES = {
    "ReadyPair": "load",
    "check_length": "load",
    "check_pair": "load",
    "check_prompts": "load",
    "check_weights": "source",
    "encode": "encoding",
    "measure_prompts": "measure",
    "open_tokenizer": "source",
    "ready_pair": "load",
    "token_texts": "readable",
    "train_demo_pair": "demo",
    "vocabulary_table": "measure",
}

__all__ = [
    "ReadyPair",
    "check_length",
    "check_pair",
    "check_prompts",
    "check_weights",
    "encode",
    "measure_prompts",
    "open_tokenizer",
    "ready_pair",
    "token_texts",
    "train_demo_pair",
    "vocabulary_table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
