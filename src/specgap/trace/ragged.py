"""A KV cache for rows of different lengths, in which a row's numbers depend on no other row.

Token i of a text lies in slot i of its row, whatever the other rows hold, and a mask hides the slots behind
it. So texts are padded on their right, where causality hides the padding, and sums over a row's keys run over
the same slots in the same order in every batch. Measured (torch 2.15, CPU, float32, one thread): with slots
and prefills in sixteens and rows in eights, a row has the same bits in any batch. Padding on the left moves
them by an ulp, which is enough to change a token now and then.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from specgap.trace.draws import Array

#: Slots that attention runs over are a multiple of this.
SLOTS = 16
#: Rows of a forward are a multiple of this. A matrix product of fewer takes another kernel, with other
#: rounding; so does an activation for what an array has beyond a multiple of 32 numbers.
ROWS = 8
#: Positions that a prefill runs at once.
PREFILL = 2048


@dataclass
class _Places:
    """Where the tokens of the forward that runs now belong."""

    n_rows: int
    length: int
    #: Rows of a prefill, whose tokens fill the slots from 0 on; None while rows go on.
    prefilled: slice | None = None
    rows: torch.Tensor = field(default_factory=torch.Tensor)  # (rows, 1)
    slots: torch.Tensor = field(default_factory=torch.Tensor)  # (rows, tokens)
    reach: int = 0  # slots that attention sees
    #: The rows that a forward is of, where it is of few.
    chosen: torch.Tensor | None = None


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, (rows, heads, slots, size)."""

    is_sliding = False
    keys: Any
    values: Any

    def __init__(self, places: _Places) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._places = places

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = (self._room(states) for states in (key_states, value_states))
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        places = self._places
        if places.prefilled is not None:
            self.keys[places.prefilled, :, : key_states.shape[2]] = key_states
            self.values[places.prefilled, :, : value_states.shape[2]] = value_states
            return key_states, value_states
        rows, slots = places.rows.to(self.device), places.slots.to(self.device)
        self.keys[rows, :, slots] = key_states.transpose(1, 2)
        self.values[rows, :, slots] = value_states.transpose(1, 2)
        seen = self.keys[:, :, : places.reach], self.values[:, :, : places.reach]
        if places.chosen is None:
            return seen
        chosen = places.chosen.to(self.device)
        return seen[0].index_select(0, chosen), seen[1].index_select(0, chosen)

    def get_seq_length(self) -> int:
        return 0 if self._places.prefilled is not None else self._places.reach

    def get_mask_sizes(self, query_length: Any) -> tuple[int, int]:
        return self._places.reach, 0

    def get_max_length(self) -> int:
        return self._places.length

    get_max_cache_shape = get_max_length  # its name in earlier releases

    def _room(self, states: torch.Tensor) -> torch.Tensor:
        _, heads, _, size = states.shape
        return states.new_zeros(self._places.n_rows, heads, self._places.length, size)


def keeps_fewer_logits(model: Any) -> bool:
    """Return whether a model can be asked for the scores of the last tokens alone (`logits_to_keep`)."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters


class RaggedBatch:
    """Rows of one model, each as long as it is; `room` is the most tokens that one may have.

    The caller sees `n_rows`; there are some more, up to a multiple of `ROWS`.
    """

    def __init__(self, model: Any, n_rows: int, room: int) -> None:
        self._model = model
        self.n_rows = n_rows
        self._device = model.device
        self._places = _Places(eights(n_rows), sixteens(room))
        self._cache: Any = Cache(layer_class_to_replicate=partial(_Layer, self._places))  # type: ignore[arg-type]
        self._lengths = np.zeros(self._places.n_rows, dtype=np.int64)
        self._fewer_logits = keeps_fewer_logits(model)
        self._place_rows()

    def prefill(self, texts: Sequence[Sequence[int]]) -> None:
        """Take in the rows' first tokens, any number of each."""
        at_once = max(1, PREFILL // max(1, sixteens(max(map(len, texts)))))
        for start in range(0, len(texts), at_once):
            self._prefill(start, texts[start : start + at_once])
        self._lengths[: len(texts)] = [len(text) for text in texts]
        self._place_rows()

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Add a token, (rows,), to each row; return the scores, (rows, vocabulary), of the next."""
        scores = self._forward(tokens[:, None], self._places.slots, 1)[:, -1]
        self._lengths[: self.n_rows] += 1
        self._places.slots = self._places.slots + self._seen
        return scores

    def extend(self, tokens: torch.Tensor, lengths: Array) -> torch.Tensor:
        """Add tokens, (rows, most), `lengths` of them in each row; return scores (rows, most, vocabulary).

        The scores of padding say nothing; such a batch cannot go on.
        """
        steps = torch.arange(tokens.shape[1], device=self._device)
        last = padded(torch.as_tensor(lengths, device=self._device))
        positions = self._places.slots + torch.minimum(steps, last[:, None] - 1)
        self._places.slots = self._places.slots + steps
        return self._forward(tokens, positions, tokens.shape[1])

    def add(self, rows: Array, tokens: Array, lengths: Array) -> torch.Tensor:
        """Add tokens, (rows, most), to some rows, `lengths` ≥ 1 of them to each.

        Return scores, (rows, most, vocabulary); those of padding say nothing. A row's bits depend on `most`,
        but on no other row. Padding goes where no token does, so there must be room for one more than any row
        gets.
        """
        places, n_rows = self._places, self._places.n_rows
        # A copy of the keys of few rows is cheaper than a forward of all.
        few = 2 * len(rows) <= n_rows
        chosen = np.resize(rows, eights(len(rows))) if few else np.arange(n_rows)
        given, ends = np.zeros((n_rows, tokens.shape[1]), dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
        given[rows], ends[rows] = tokens, self._lengths[rows] + lengths
        slots = self._lengths[:, None] + np.arange(tokens.shape[1])
        padding = slots >= ends[:, None]
        places.rows = torch.as_tensor(chosen, device=self._device)
        places.chosen, places.rows = (places.rows if few else None), places.rows[:, None]
        places.slots = torch.as_tensor(
            np.where(padding, places.length - 1, slots)[chosen], device=self._device
        )
        places.reach = sixteens(int(ends.max()))
        mask = self._mask(places.slots, places.reach)
        scores = self._call(given[chosen], np.where(padding, 0, slots)[chosen], mask, {})
        places.chosen = None
        self.cut(rows, ends[rows])
        whole = few or np.array_equal(rows, np.arange(len(rows)))
        return scores[: len(rows)] if whole else scores[torch.as_tensor(rows, device=scores.device)]

    def cut(self, rows: Array, lengths: Array) -> None:
        """Let rows end after `lengths` of the tokens that they have."""
        self._lengths[rows] = lengths
        self._place_rows()

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows alone, in this order."""
        self.n_rows = len(rows)
        chosen = padded(rows)
        self._lengths = self._lengths[chosen.cpu().numpy()]
        self._places.n_rows = len(chosen)
        for layer in self._cache.layers:
            layer.keys, layer.values = (part[chosen.to(part.device)] for part in (layer.keys, layer.values))
        self._place_rows()

    def load(self, rows: Array, source: "RaggedBatch", others: Array, lengths: Array) -> None:
        """Put the first `lengths` tokens of a source's rows in place of rows of this batch."""
        reach = min(sixteens(int(lengths.max())), self._places.length, source._places.length)
        here, there = (torch.as_tensor(chosen, device=self._device) for chosen in (rows, others))
        layers = self._layers_like(source)
        for layer, known in zip(layers, source._cache.layers, strict=True):
            for part, other in ((layer.keys, known.keys), (layer.values, known.values)):
                part[here.to(part.device), :, :reach] = other[there.to(part.device), :, :reach]
        self._lengths[rows] = lengths
        self._place_rows()

    def forget(self, rows: Array) -> None:
        """Let these rows begin anew; what they give says nothing."""
        self._lengths[rows] = 0
        self._place_rows()

    def _layers_like(self, source: "RaggedBatch") -> list[Any]:
        layers: list[Any] = self._cache.layers
        while len(layers) < len(source._cache.layers):
            known = source._cache.layers[len(layers)]
            layers.append(_Layer(self._places))
            layers[-1].lazy_initialization(known.keys, known.values)
        return layers

    def _prefill(self, start: int, texts: Sequence[Sequence[int]]) -> None:
        width = sixteens(max(map(len, texts)))
        if not width:
            return
        tokens = np.zeros((len(texts), width), dtype=np.int64)
        positions = np.minimum(np.arange(width), [[max(0, len(text) - 1)] for text in texts])
        for row, text in zip(tokens, texts, strict=True):
            row[: len(text)] = text
        slots = torch.arange(width, device=self._device)
        self._places.prefilled = slice(start, start + len(texts))
        self._places.reach = width
        self._call(tokens, positions, self._mask(slots[None], width), {"logits_to_keep": 1})
        self._places.prefilled = None

    def _forward(self, tokens: torch.Tensor, positions: torch.Tensor, n_scores: int) -> torch.Tensor:
        places = self._places
        places.reach = sixteens(int(self._lengths.max()) + tokens.shape[1])
        mask = self._mask(places.slots, places.reach)
        given = padded(tokens.to(self._device))
        return self._call(given, positions, mask, {})[: self.n_rows, -n_scores:]

    def _call(self, tokens: Any, positions: Any, mask: torch.Tensor, more: dict[str, Any]) -> torch.Tensor:
        scores: torch.Tensor = self._model(
            input_ids=torch.as_tensor(tokens, device=self._device),
            position_ids=torch.as_tensor(positions, device=self._device),
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
            **(more if self._fewer_logits else {}),
        ).logits
        return scores

    def _mask(self, slots: torch.Tensor, reach: int) -> torch.Tensor:
        """Return what hides the slots behind each token's own: (rows, 1, tokens, reach), to be added."""
        hidden = torch.arange(reach, device=self._device) > slots[:, None, :, None]
        dtype = self._model.dtype
        return torch.zeros_like(hidden, dtype=dtype).masked_fill_(hidden, torch.finfo(dtype).min)

    def _place_rows(self) -> None:
        self._places.rows = torch.arange(self._places.n_rows, device=self._device)[:, None]
        self._places.slots = torch.tensor(self._lengths, device=self._device)[:, None]
        # Rows that fill a batch up stay where they are.
        self._seen = (self._places.rows < self.n_rows).long()


def sixteens(number: int) -> int:
    """Return the multiple of `SLOTS` at or above a number."""
    return -(-number // SLOTS) * SLOTS


def eights(number: int) -> int:
    """Return the multiple of `ROWS` at or above a number."""
    return -(-number // ROWS) * ROWS


def padded(values: torch.Tensor) -> torch.Tensor:
    """Return values with their first row repeated, so that there is a multiple of `ROWS`."""
    missing = eights(len(values)) - len(values)
    return values if not missing else torch.cat([values, values[:1].expand(missing, *values.shape[1:])])
