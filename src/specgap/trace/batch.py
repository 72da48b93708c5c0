"""One model stepped for many texts at once, so that no number depends on which texts those are.

A model that takes rows of different lengths gives the same scores in a `RaggedBatch` as for a text alone; it
is tried out, not read from a list. Any other model (own positions, windowed attention, ALiBi) gets batches of
texts of one length, which need neither padding nor mask. A model whose state cannot be cut is refused.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch

from specgap.errors import TraceError, is_out_of_memory
from specgap.trace.draws import Array
from specgap.trace.progress import Log
from specgap.trace.ragged import RaggedBatch, keeps_fewer_logits, padded

#: Config keys of attention that sees less than a mask shows it.
_WINDOWS = ("sliding_window", "sliding_window_size", "attention_chunk_size")
#: Ways to compute attention that take any mask.
_MASKED = ("sdpa", "eager")
#: How far scores in a ragged batch may be from those of a text alone, relative to the largest.
_NEAR, _NEAR_IN_16_BITS = 1e-4, 5e-2

#: Told of progress: how many prompts are done with since the last time, and how many tokens were drawn.
Told = Callable[[int, int], None]
T = TypeVar("T")


class Stepper:
    """One model, ready to be stepped for texts of at most `longest` tokens."""

    def __init__(self, model: Any, longest: int) -> None:
        if getattr(model, "_is_stateful", False):
            raise TraceError(
                f"{type(model).__name__} keeps a recurrent state, which cannot be taken back token by token; "
                "wanted a model with a key-value cache"
            )
        self.model = model
        self.is_ragged = takes_ragged(model, longest)

    def open(self, texts: Sequence[Sequence[int]], room: int) -> "Batch":
        """Return a batch that has taken in texts, (rows, any length ≥ 0), with room for `room` tokens each.

        Texts of a model that is not ragged have one length.
        """
        if not self.is_ragged:
            return EqualBatch(self.model, texts)
        batch = RaggedBatch(self.model, len(texts), room)
        batch.prefill(texts)
        return batch


class EqualBatch:
    """Rows of one length, without padding or mask: as `generate` runs a batch."""

    def __init__(self, model: Any, texts: Sequence[Sequence[int]]) -> None:
        if len({len(text) for text in texts}) != 1:
            raise ValueError("texts of several lengths in a batch of one")
        self._model, self.n_rows, self._cache = model, len(texts), None
        ids = padded(torch.tensor([list(text) for text in texts], dtype=torch.long))
        if ids.shape[1]:
            fewer = keeps_fewer_logits(model)
            self._forward(ids, {"logits_to_keep": 1} if fewer else {})

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Add a token, (rows,), to each row; return the scores, (rows, vocabulary), of the next."""
        return self._forward(padded(tokens)[:, None], {})[: self.n_rows, -1]

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows alone, in this order."""
        self.n_rows = len(rows)
        if self._cache is not None:
            self._cache.batch_select_indices(padded(rows).to(self._model.device))

    def forget(self, rows: Array) -> None:
        """Do nothing: a row that is over goes on like the others."""

    def _forward(self, ids: torch.Tensor, more: dict[str, Any]) -> torch.Tensor:
        given = ids.to(self._model.device)
        found = self._model(input_ids=given, past_key_values=self._cache, use_cache=True, **more)
        self._cache = found.past_key_values
        scores: torch.Tensor = found.logits
        return scores


Batch = EqualBatch | RaggedBatch


def takes_ragged(model: Any, longest: int) -> bool:
    """Return whether a ragged batch of texts up to `longest` tokens gives what each text gives alone."""
    config = model.config.get_text_config()
    windows = [getattr(config, key, None) for key in _WINDOWS]
    if (
        "position_ids" not in inspect.signature(model.forward).parameters
        or getattr(config, "_attn_implementation", None) not in _MASKED
        or any(isinstance(window, int) and window < longest for window in windows)
    ):
        return False
    lengths = sorted({2, max(2, longest // 2), max(2, longest)})
    texts = [[(7 * i + 3 * length + 1) % config.vocab_size for i in range(length)] for length in lengths]
    try:
        together = _last_scores(model, texts)
    except Exception as error:  # whatever a model says to a cache that is not its own, it goes without
        if is_out_of_memory(error):
            raise
        return False
    alone = torch.cat([model(torch.tensor([text], device=model.device)).logits[:, -1] for text in texts])
    near = _NEAR_IN_16_BITS if alone.element_size() == 2 else _NEAR
    return bool((together - alone).abs().max() <= near * alone.abs().max().clamp(min=1))


def _last_scores(model: Any, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    batch = RaggedBatch(model, len(texts), max(map(len, texts)))
    batch.prefill([text[:-2] for text in texts])
    batch.step(torch.tensor([text[-2] for text in texts]))
    return batch.step(torch.tensor([text[-1] for text in texts]))


def grouped(lengths: Sequence[int], *, at_once: int, equal: bool) -> Iterator[list[int]]:
    """Deal texts to batches of at most `at_once`, shortest first; yield the indices of each.

    `equal`: the texts of a batch have one length.

    >>> list(grouped([3, 1, 2, 1], at_once=3, equal=True))
    [[1, 3], [2], [0]]
    """
    chosen: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if chosen and (len(chosen) == at_once or (equal and lengths[chosen[0]] != lengths[index])):
            yield chosen
            chosen = []
        chosen.append(index)
    if chosen:
        yield chosen


class Halving:
    """How many rows are computed at once: fewer where memory runs out, which changes no token."""

    def __init__(self, at_once: int, log: Log) -> None:
        self.at_once, self._log = at_once, log

    def __call__(self, make: Callable[[int], T]) -> T:
        """Return what `make` gives for a number of rows at once, halved as often as it takes."""
        while True:
            try:
                return make(self.at_once)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.at_once == 1:
                    raise TraceError(
                        "the device ran out of memory with one row at a time; wanted a smaller pair, "
                        "a smaller dtype or a larger device"
                    ) from error
            self._halve()

    def _halve(self) -> None:
        self._log(f"out of memory at a batch of {self.at_once}; going on with {self.at_once // 2}")
        self.at_once //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
