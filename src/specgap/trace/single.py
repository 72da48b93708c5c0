"""A text alone, for models that take no rows of different lengths; used as a `RaggedBatch` of one row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from specgap.trace.draws import Array
from specgap.trace.ragged import keeps_fewer_logits


class SingleRow:
    """One text of a model, which can be cut back.

    Its cache keeps every position, also where attention sees a window alone, whose own cache could not be cut
    back; the model's mask hides what lies before the window.
    """

    n_rows = 1

    def __init__(self, model: Any, text: Sequence[int]) -> None:
        self._model = model
        self._cache = DynamicCache()
        self._length = 0
        self._fewer_logits = keeps_fewer_logits(model)
        if text:
            self._forward(np.array([text]), {"logits_to_keep": 1} if self._fewer_logits else {})

    def add(self, rows: Array, tokens: Array, lengths: Array) -> torch.Tensor:
        """Add the first `lengths` (1) of tokens, (1, most); return their scores, (1, lengths, vocabulary)."""
        return self._forward(tokens[:, : int(lengths[0])], {})

    def cut(self, rows: Array, lengths: Array) -> None:
        """Let the text end after `lengths` (1) of its tokens."""
        surplus = self._length - int(lengths[0])
        if surplus:
            self._cache.crop(-surplus)
        self._length -= surplus

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with the one row."""

    def _forward(self, tokens: Array, more: dict[str, Any]) -> torch.Tensor:
        self._length += tokens.shape[1]
        device = self._model.device
        scores: torch.Tensor = self._model(
            input_ids=torch.as_tensor(tokens, device=device),
            attention_mask=torch.ones(1, self._length, dtype=torch.long, device=device),
            past_key_values=self._cache,
            use_cache=True,
            **more,
        ).logits
        return scores
