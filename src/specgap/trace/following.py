"""The target's probabilities of given continuations: one forward over each, reduced where it arises."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from specgap.trace.batch import Stepper
from specgap.trace.choice import Decider
from specgap.trace.draws import Array
from specgap.trace.ragged import RaggedBatch


class Follower:
    """Reads continuations with one model under one decoding."""

    def __init__(self, target: Stepper, decider: Decider) -> None:
        self._target, self._decider = target, decider

    def follow(
        self,
        texts: Sequence[Sequence[int]],
        rows: Array,
        prefix: Array,
        tokens: Sequence[Array],
        *,
        at_once: int,
    ) -> list[Array]:
        """Return the probability of every token but the first of each continuation, float32.

        Continuation i, of two tokens at least, follows the first `prefix[i]` tokens of `texts[rows[i]]`. At
        most `at_once` positions have scores at the same time, or those of one continuation.
        """
        found: list[Array] = [np.empty(0, dtype=np.float32)] * len(tokens)
        lengths = np.array([len(one) - 1 for one in tokens])
        cost = lengths if self._target.is_ragged else lengths + prefix
        source = self._target.open(texts, max(map(len, texts))) if self._target.is_ragged else None
        for group in _bounded(cost, at_once):
            chosen = [tokens[index] for index in group]
            given, asked = _padded([one[:-1] for one in chosen]), _padded([one[1:] for one in chosen])
            if source is not None:
                scores = self._together(source, rows[group], prefix[group], given, lengths[group])
            else:
                scores = self._alone([texts[row] for row in rows[group]], prefix[group], given)
            real = torch.arange(given.shape[1]) < torch.from_numpy(lengths[group])[:, None]
            p = self._decider.distributions(scores[real.to(scores.device)])
            flat = p.of(asked[real].to(p.scores.device)).cpu().numpy()
            for index, part in zip(group, np.split(flat, np.cumsum(lengths[group])[:-1]), strict=True):
                found[index] = part
        return found

    def _together(
        self, source: object, rows: Array, prefix: Array, given: torch.Tensor, lengths: Array
    ) -> torch.Tensor:
        assert isinstance(source, RaggedBatch)
        batch = RaggedBatch(self._target.model, len(rows), int(prefix.max()) + given.shape[1])
        batch.load(np.arange(len(rows)), source, rows, prefix)
        return batch.extend(given, lengths)

    def _alone(self, texts: Sequence[Sequence[int]], prefix: Array, given: torch.Tensor) -> torch.Tensor:
        """Run whole texts, padded on their right, which causality hides; return scores of the last tokens."""
        whole = [
            torch.tensor([*text[:end], *one.tolist()])
            for text, end, one in zip(texts, prefix.tolist(), given, strict=True)
        ]
        ids = torch.nn.utils.rnn.pad_sequence(whole, batch_first=True).to(self._target.model.device)
        scores = self._target.model(input_ids=ids, use_cache=False).logits
        at = torch.from_numpy(prefix)[:, None] + torch.arange(given.shape[1])
        taken: torch.Tensor = scores[torch.arange(len(texts))[:, None], at.to(scores.device)]
        return taken


def _bounded(cost: Array, most: int) -> Iterator[Array]:
    """Deal rows to batches, the cheapest first, of at most `most` positions with padding, or of one row."""
    chosen: list[int] = []
    for index in np.argsort(cost, kind="stable").tolist():
        if chosen and (len(chosen) + 1) * cost[index] > most:
            yield np.array(chosen)
            chosen = []
        chosen.append(index)
    if chosen:
        yield np.array(chosen)


def _padded(rows: Sequence[Array]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)
