"""The `batched` collector: real rounds of many prompts at once.

Each row drafts, is verified and goes on by itself, with its own γ, accepted length and place in both caches.
No number of a row depends on another row: how many tokens a forward takes of it follows from its own draft
(rows are verified together with those whose drafts are about as long), and random numbers are keyed
(`specgap.trace.draws`).

When a round begins, the target has seen all but the last token and the draft all but the last two, as under
transformers; so a round's first forward of the draft takes two.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from specgap.errors import TraceError
from specgap.models import ReadyPair
from specgap.settings import Decoding, Setting
from specgap.trace.batch import Stepper, Told, grouped
from specgap.trace.choice import Decider, Distributions
from specgap.trace.draws import Array, Purpose, uniforms
from specgap.trace.ledger import Recording
from specgap.trace.live import Ledger, Rows
from specgap.trace.ragged import RaggedBatch
from specgap.trace.single import SingleRow
from specgap.trace.verify import Draft, Draws, judge

Texts = Mapping[int, Sequence[int]]

_Batch = RaggedBatch | SingleRow

#: Tokens that target and draft have not seen when a round begins.
_TARGET_LAG, _DRAFT_LAG = 1, 2
#: A verification of fewer tokens is not worth a forward of its own.
_LEAST_WIDTH = 8
#: Rows that have ended leave the caches when they are this share of those there.
_ENDED = 0.25


class Batched:
    """A pair ready to run rounds under a decoding and a setting, for texts of at most `longest` tokens."""

    def __init__(
        self, pair: ReadyPair, decoding: Decoding, setting: Setting, *, seed: int, longest: int
    ) -> None:
        if setting.carry_state:
            raise TraceError(f"setting {setting.name} carries γ from prompt to prompt; wanted it without")
        self._pair, self._setting, self._seed = pair, setting, seed
        self._decider = Decider(decoding)
        self._most = decoding.max_new_tokens
        with torch.inference_mode():
            steppers = [Stepper(model, longest) for model in (pair.target, pair.draft)]
        #: Whether both models take texts of different lengths in one batch.
        self.is_ragged = all(stepper.is_ragged for stepper in steppers)

    @torch.inference_mode()
    def record(
        self, texts: Texts, *, sample: int, at_once: int, told: Told
    ) -> Iterator[tuple[int, Recording]]:
        """Yield each prompt with what was recorded of it, in any order.

        `texts`: prompt to its token ids, one at least. Rows that differ in what is accepted differ in length,
        so models that take no such rows run one text at a time.
        """
        prompts = list(texts)
        lengths = [len(text) for text in texts.values()]
        for group in grouped(lengths, at_once=at_once if self.is_ragged else 1, equal=False):
            chosen = {prompts[index]: texts[prompts[index]] for index in group}
            yield from zip(chosen, self._recorded(chosen, sample, told), strict=True)

    def _recorded(self, texts: Texts, sample: int, told: Told) -> Iterator[Recording]:
        target = self._open(self._pair.target, texts, _TARGET_LAG)
        draft = self._open(self._pair.draft, texts, _DRAFT_LAG)
        rows, ledger = Rows(texts, self._setting, self._most), Ledger(len(texts))
        while True:
            offset = rows.offset
            draws = _draws(self._seed, sample, rows.prompt, offset)
            drafted = self._drafted(draft, rows, draws)
            judged = judge(self._decider, drafted, self._scores(target, rows, drafted), draws)
            emitted, ended = rows.advance(drafted, judged, self._pair.eos_token_ids)
            ledger.add(rows.index, offset, drafted, judged, emitted)
            ledger.end(rows, ended)
            told(int(ended.sum()), int(emitted.sum()))
            rows.keep(np.flatnonzero(~ended))
            if not len(rows):
                return ledger.recordings()
            target.cut(rows.place, rows.length - _TARGET_LAG)
            draft.cut(rows.place, rows.length - _DRAFT_LAG)
            _make_room(rows, target, draft)

    def _open(self, model: Any, texts: Texts, lag: int) -> _Batch:
        seen = [text[:-lag] for text in texts.values()]
        if not self.is_ragged:
            return SingleRow(model, seen[0])
        batch = RaggedBatch(model, len(seen), max(map(len, texts.values())) + self._most + 1)
        batch.prefill(seen)
        return batch

    def _drafted(self, model: _Batch, rows: Rows, draws: Draws) -> Draft:
        """Draft until what a schedule asks for is drafted, an end of text, or a token below the threshold.

        The last two stay.
        """
        most, count = rows.may_draft, np.zeros_like(rows.index)
        live = np.flatnonzero(most)
        tokens, lengths = (part[live] for part in rows.last(_DRAFT_LAG))
        parts: list[tuple[Array, Array, Array, torch.Tensor]] = []
        while len(live):
            scores = _picked(model.add(rows.place[live], tokens, lengths), np.arange(len(live)), lengths - 1)
            step = count[live]
            known = self._decider.distributions(scores)
            u = None if self._decider.is_greedy else draws(live, step, Purpose.DRAFT)
            token, q_of = self._proposed(known, u)
            parts.append((live, step, token, known.probabilities))
            count[live] += 1
            is_last = (count == most)[live] | np.isin(token, self._pair.eos_token_ids)
            going = ~is_last & (q_of >= self._setting.confidence_threshold)
            live, tokens, lengths = live[going], token[going, None], np.ones(int(going.sum()), dtype=np.int64)
        return Draft.joined(count, parts)

    def _proposed(self, known: Distributions, u: Array | None) -> tuple[Array, Array]:
        """Return a token of each row, and its probability, float64."""
        device = known.scores.device
        chosen = self._decider.choose(known, None if u is None else torch.as_tensor(u, device=device))
        return chosen.cpu().numpy(), known.of(chosen).double().cpu().numpy()

    def _scores(self, model: _Batch, rows: Rows, draft: Draft) -> torch.Tensor:
        """Return the target's scores of a round, in the order of `specgap.trace.verify`."""
        row = np.append(draft.row, np.arange(len(rows)))
        step = np.append(draft.step, draft.count)
        widths = self._widths(draft.count)
        tokens = np.zeros((len(rows), int(widths.max())), dtype=np.int64)
        tokens[:, :1] = rows.last(_TARGET_LAG)[0]
        tokens[draft.row, draft.step + 1] = draft.token
        scores, places = [], []
        for width in np.unique(widths).tolist():
            chosen = np.flatnonzero(widths == width)
            mine = np.flatnonzero(widths[row] == width)
            found = model.add(rows.place[chosen], tokens[chosen, :width], draft.count[chosen] + 1)
            scores.append(_picked(found, np.searchsorted(chosen, row[mine]), step[mine]))
            places.append(mine)
        return scores[0] if len(scores) == 1 else torch.cat(scores)[np.argsort(np.concatenate(places))]

    def _widths(self, count: Array) -> Array:
        """Return how many tokens each row's verification takes: by powers of two, as few as it can."""
        powers = 2 ** np.ceil(np.log2(count + 1)).astype(np.int64)
        constant = self._setting.schedule == "constant"
        gamma = self._setting.num_assistant_tokens if constant else self._most
        widths: Array = np.minimum(np.maximum(powers, _LEAST_WIDTH), min(gamma, self._most - 1) + 1)
        return widths


def _draws(seed: int, sample: int, prompt: Array, offset: Array) -> Draws:
    """Return the random numbers of a round that began at `offset` of each row."""

    def draws(row: Array, step: Array, purpose: Any) -> Array:
        start = offset[row]
        of_round = np.where(np.equal(purpose, Purpose.DRAFT), start, 0)
        return uniforms(
            seed, prompt=prompt[row], sample=sample, offset=start + step, purpose=purpose, start=of_round
        )

    return draws


def _picked(scores: torch.Tensor, row: Array, step: Array) -> torch.Tensor:
    """Return the scores at (row, step), (places, vocabulary)."""
    return scores[tuple(torch.as_tensor(index, device=scores.device) for index in (row, step))]


def _make_room(rows: Rows, *models: _Batch) -> None:
    """Take rows that have ended out of the caches, where they are many."""
    if len(rows) > (1 - _ENDED) * models[0].n_rows:
        return
    for model in models:
        model.keep(torch.as_tensor(rows.place))
    rows.place = np.arange(len(rows))
