"""Target paths, many at once: each token y, and what becomes of the draft's proposal x there.

Sampling is lossless, so what is emitted does not depend on the schedule. Nor does a proposal's fate given
what is emitted: accepted (x = y) with probability min(1, q(y) / p(y)), else rejected with x ~ norm(max(0, q −
p)), see design.md §2.3. Greedy, x is the draft's argmax, accepted where it is the target's too. Both models
run in lockstep over the same prefix, so all of an offset is reduced where it arises and no scores are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from specgap.models import ReadyPair
from specgap.settings import Decoding
from specgap.trace.batch import Stepper, Told, grouped
from specgap.trace.choice import Decider, Distributions, check_finite, draw, likeliest
from specgap.trace.draws import Purpose, uniforms
from specgap.trace.ledger import Columns
from specgap.trace.recorder import entropy_of, overlap_of

_WHOLE = ("token", "proposal", "fate")
_REAL = ("p", "q", "proposal_p", "proposal_q", "overlap", "entropy")
#: Offsets whose random numbers are made at once.
_DRAWN = 64
#: Rows that have ended leave the batch when they are this share of it.
_ENDED = 0.25


class Paths:
    """Makes paths of a pair under a decoding; a prompt and its path have at most `longest` tokens."""

    def __init__(self, pair: ReadyPair, decoding: Decoding, *, seed: int, longest: int) -> None:
        with torch.inference_mode():
            self._target, self._draft = (Stepper(model, longest) for model in (pair.target, pair.draft))
        self._decider = Decider(decoding)
        self._eos = pair.eos_token_ids
        self._most = decoding.max_new_tokens
        self._seed = seed

    @property
    def is_ragged(self) -> bool:
        """Whether both models take texts of different lengths in one batch."""
        return self._target.is_ragged and self._draft.is_ragged

    @torch.inference_mode()
    def collect(
        self, texts: Mapping[int, Sequence[int]], *, sample: int, at_once: int, told: Told
    ) -> Columns:
        """Return the rows (`schema.PATHS`) of a path after each text, in the order of the texts.

        `texts`: prompt to its token ids, one at least.
        """
        prompts, ids = list(texts), list(texts.values())
        groups = grouped([len(text) for text in ids], at_once=at_once, equal=not self.is_ragged)
        parts = [
            self._batch([prompts[index] for index in group], [ids[index] for index in group], sample, told)
            for group in groups
        ]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        place = {prompt: index for index, prompt in enumerate(prompts)}
        order = np.argsort([place[prompt] for prompt in joined["prompt"].tolist()], kind="stable")
        return {name: column[order] for name, column in joined.items()}

    def _batch(
        self, prompts: Sequence[int], texts: Sequence[Sequence[int]], sample: int, told: Told
    ) -> Columns:
        room = max(map(len, texts)) + self._most
        before = [text[:-1] for text in texts]
        models = [model.open(before, room) for model in (self._target, self._draft)]
        tokens = torch.tensor([text[-1] for text in texts])
        drawn = None if self._decider.is_greedy else _Drawn(self._seed, prompts, sample)
        ledger = _Ledger(prompts)
        for offset in range(self._most):
            p, q = (self._decider.distributions(model.step(tokens)) for model in models)
            found = (
                greedy_fates(p, q) if drawn is None else sampled_fates(p, q, drawn.at(offset, ledger.rows))
            )
            n_live, n_ended = ledger.add(p, q, found, self._eos)
            told(n_ended, n_live)
            if n_live == n_ended:
                break
            tokens, kept = found.token, ledger.cut()
            if kept is not None:
                tokens = tokens[kept]
                for model in models:
                    model.keep(kept)
        if n_live > n_ended:
            told(n_live - n_ended, 0)
        return ledger.columns(sample)


@dataclass(frozen=True)
class Fates:
    """What is drawn at one offset of many rows, each (rows,): y, x, and whether x is accepted."""

    token: torch.Tensor
    proposal: torch.Tensor
    accepted: torch.Tensor


def greedy_fates(p: Distributions, q: Distributions) -> Fates:
    """Return the argmax of each model; the proposal is accepted where they agree."""
    token, proposal = likeliest(p), likeliest(q)
    return Fates(token, proposal, token == proposal)


def sampled_fates(p: Distributions, q: Distributions, u: torch.Tensor) -> Fates:
    """Draw y ~ p, and x given y: accepted with probability min(1, q(y) / p(y)), else x ~ norm(max(0, q − p)).

    `u`: float64 (3, rows) in [0, 1), for y, for the verdict and for x.
    """
    token = draw(p.probabilities, u[0])
    accepted = u[1] < q.of(token).double() / p.of(token).double()
    rejected = (~accepted).nonzero()[:, 0]
    proposal = token.clone()
    if len(rejected):
        gain = (q.probabilities[rejected] - p.probabilities[rejected]).clamp_(min=0)
        drawn = draw(gain, u[2][rejected])
        # Two models that differ by rounding alone may leave nothing to draw from.
        some = gain.gather(1, drawn[:, None])[:, 0] > 0
        proposal[rejected[some]] = drawn[some]
        accepted[rejected[~some]] = True
    return Fates(token, proposal, accepted)


class _Drawn:
    """A batch's random numbers, made for many offsets at once."""

    def __init__(self, seed: int, prompts: Sequence[int], sample: int) -> None:
        self._seed, self._sample = seed, sample
        self._prompts = np.array(prompts, dtype=np.uint64)
        self._first = -_DRAWN

    def at(self, offset: int, rows: torch.Tensor) -> torch.Tensor:
        """Return float64 (purposes, rows) of an offset; `rows` are indices of the prompts."""
        if offset >= self._first + _DRAWN:
            self._first = offset
            purposes = np.array([Purpose.TARGET, Purpose.FATE, Purpose.RESIDUAL])
            made = uniforms(
                self._seed,
                prompt=self._prompts,
                sample=self._sample,
                offset=np.arange(offset, min(offset + _DRAWN, 1 << 16))[:, None, None],
                purpose=purposes[:, None],
            )
            self._made = torch.from_numpy(made).to(rows.device)
        return self._made[offset - self._first][:, rows]


class _Ledger:
    """What was found of a batch's rows, offset by offset."""

    def __init__(self, prompts: Sequence[int]) -> None:
        self._prompts = np.array(prompts, dtype=np.uint64)
        self.rows = torch.arange(len(prompts))
        self._ended = torch.zeros(len(prompts), dtype=torch.bool)
        self._rows: list[torch.Tensor] = []
        self._whole: list[torch.Tensor] = []
        self._real: list[torch.Tensor] = []

    def add(self, p: Distributions, q: Distributions, found: Fates, eos: Sequence[int]) -> tuple[int, int]:
        """Keep what is found at the next offset; return how many rows were live, and how many end there."""
        device = found.token.device
        self.rows, self._ended = self.rows.to(device), self._ended.to(device)
        live = ~self._ended
        self._rows.append(torch.where(live, self.rows, -1))
        self._whole.append(torch.stack([found.token, found.proposal, found.accepted]))
        of_token, of_proposal = (
            [of(tokens) for of in (p.of, q.of)] for tokens in (found.token, found.proposal)
        )
        overlap, entropy = overlap_of(p.probabilities, q.probabilities), entropy_of(p.probabilities)
        self._real.append(torch.stack([*of_token, *of_proposal, overlap, entropy]))
        ending = live & torch.isin(found.token, torch.tensor(eos, dtype=torch.long, device=device))
        self._ended = self._ended | ending
        return int(live.sum()), int(ending.sum())

    def cut(self) -> torch.Tensor | None:
        """Drop the rows that have ended, where they are many; return the places of the others, else None."""
        if int(self._ended.sum()) < _ENDED * len(self.rows):
            return None
        kept = (~self._ended).nonzero()[:, 0]
        self.rows, self._ended = self.rows[kept], self._ended[kept]
        return kept

    def columns(self, sample: int) -> Columns:
        """Return the rows of all offsets, row by row in any order, offsets in order."""
        rows = torch.cat(self._rows).cpu().numpy()
        live = rows >= 0
        offsets = np.repeat(np.arange(len(self._rows)), [len(part) for part in self._rows])[live]
        whole, real = (torch.cat(parts, dim=1).cpu().numpy()[:, live] for parts in (self._whole, self._real))
        for name, values in zip(_REAL, real, strict=True):
            check_finite(name, values)
        columns = {"prompt": self._prompts[rows[live]], "offset": offsets}
        columns |= {"sample": np.full(len(offsets), sample)}
        columns |= dict(zip(_WHOLE, whole, strict=True)) | dict(zip(_REAL, real, strict=True))
        return columns
