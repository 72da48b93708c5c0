"""Watch transformers' own assisted generation from outside, through public hooks only.

Three hooks suffice, and none of them draws a random number or changes a score:

* a `LogitsProcessor`, placed last: transformers hands it to both models, so it sees the processed scores that
  drafting drew from and that verification used;
* a forward pre-hook on the target: one target forward is one round, so it tells whose scores come next;
* a `StoppingCriteria` that never stops: transformers calls it when a round's tokens are settled, which closes
  a round exactly once, the last one included, and tells the target's time from the draft's.

Scores of a round are reduced on their device when the round closes: nothing of vocabulary size outlives it.
"""

import time
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, StoppingCriteria, StoppingCriteriaList

from specgap.errors import TraceError
from specgap.trace.ledger import Recording


class Recorder(LogitsProcessor):
    """Records one prompt at a time; `start` before `generate`, `finish` after it.

    >>> recorder.start(prompt_length=12)                                        # doctest: +SKIP
    >>> ids = target.generate(..., stopping_criteria=recorder.criteria)         # doctest: +SKIP
    >>> recorder.finish(ids)                                                    # doctest: +SKIP
    """

    def __init__(self) -> None:
        self.criteria = StoppingCriteriaList([_RoundEnd(self)])
        self.start(prompt_length=0)

    def start(self, *, prompt_length: int) -> None:
        """Forget everything and wait for the first round of a prompt of `prompt_length` tokens."""
        self._prompt_length = prompt_length
        self._rounds: list[tuple[int, int, int]] = []  # context length, drafted, emitted
        self._seconds: list[tuple[float, float]] = []
        self._tokens: list[torch.Tensor] = []
        self._p: list[torch.Tensor] = []
        self._q: list[torch.Tensor] = []
        self._next_p: list[torch.Tensor] = []
        self._overlap: list[torch.Tensor] = []
        self._entropy: list[torch.Tensor] = []
        self._open_round()

    def watch(self, target: torch.nn.Module) -> Any:
        """Listen to the target's forward calls; returns the handle whose `remove()` ends it."""
        return target.register_forward_pre_hook(self._target_begins)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Keep the processed scores, (1, vocabulary), of the position after `input_ids`, (1, length)."""
        if self._verifying:
            if not self._target_scores:
                self._context = input_ids.shape[1]
            self._target_scores.append(scores)
            self._candidate = input_ids
        else:
            self._draft_scores.append(scores)
        return scores

    def end_round(self, input_ids: torch.Tensor) -> None:
        """Close the round whose settled tokens end `input_ids`, (1, length)."""
        ended = time.perf_counter()
        self._seconds.append((self._verify_began - self._began, ended - self._verify_began))
        drafted = len(self._draft_scores)
        emitted = input_ids.shape[1] - self._context
        self._check_round(drafted, emitted)
        self._rounds.append((self._context, drafted, emitted))
        self._reduce(drafted, emitted, input_ids[0, -1])
        self._open_round()

    def finish(self, sequence: torch.Tensor) -> Recording:
        """Return what was recorded; `sequence` is the prompt and its continuation, (1, length)."""
        length = self._prompt_length + sum(emitted for *_, emitted in self._rounds)
        if self._verifying or self._draft_scores or length != sequence.shape[1]:
            raise _unexpected("the rounds do not add up to the sequence that was generated")
        context, drafted, emitted = np.array(self._rounds, dtype=np.int64).T
        draft_seconds, verify_seconds = np.array(self._seconds, dtype=np.float64).T
        return Recording(
            ids=sequence[0, self._prompt_length :].cpu().numpy(),
            offset=context - self._prompt_length,
            drafted=drafted,
            emitted=emitted,
            token=_joined(self._tokens, np.int64),
            p=_joined(self._p, np.float32),
            q=_joined(self._q, np.float32),
            overlap=_joined(self._overlap, np.float64),
            entropy=_joined(self._entropy, np.float64),
            next_p=_joined(self._next_p, np.float32),
            draft_seconds=draft_seconds,
            verify_seconds=verify_seconds,
        )

    def _target_begins(self, *_: Any) -> None:
        self._verifying = True
        self._verify_began = time.perf_counter()

    def _open_round(self) -> None:
        self._draft_scores: list[torch.Tensor] = []
        self._target_scores: list[torch.Tensor] = []
        self._verifying = False
        self._began = time.perf_counter()

    def _check_round(self, drafted: int, emitted: int) -> None:
        seen = self._candidate.shape[1] - self._context
        if not (seen == drafted == len(self._target_scores) - 1 and 1 <= emitted <= drafted + 1):
            raise _unexpected(
                f"a round of {drafted} drafted tokens had {seen} to verify and emitted {emitted}"
            )

    def _reduce(self, drafted: int, emitted: int, last: torch.Tensor) -> None:
        # Whatever was emitted, the target's row of its last token is `emitted - 1`. Tokens beyond the judged
        # ones get no overlap and no entropy: both are defined at judged positions, and cost a pass each.
        p = _probabilities(self._target_scores)
        self._next_p.append(p[emitted - 1, last].reshape(1))
        if not drafted:
            return
        judged = min(drafted, emitted)
        q = _probabilities(self._draft_scores).to(p.device)
        tokens = self._candidate[0, self._context :].to(p.device)
        self._tokens.append(tokens)
        self._p.append(p[:drafted].gather(1, tokens[:, None])[:, 0])
        self._q.append(q.gather(1, tokens[:, None])[:, 0])
        self._overlap.append(overlap_of(p[:judged], q[:judged]))
        self._entropy.append(entropy_of(p[:judged]))


class _RoundEnd(StoppingCriteria):
    """Never stops; tells the recorder that a round is settled."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **_: Any) -> torch.Tensor:
        self._recorder.end_round(input_ids)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def entropy_of(p: torch.Tensor) -> torch.Tensor:
    """Return −Σ p log p of each row in nats, float64; p is float32, (rows, vocabulary).

    A third of the time of `torch.special.entr`, which is called once per token here.
    """
    logs = p.clamp(min=torch.finfo(p.dtype).tiny).log_()
    return -logs.mul_(p).sum(-1, dtype=torch.float64)


def overlap_of(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return Σ min(p, q) of each row, float64 in [0, 1]; p and q are float32, (rows, vocabulary).

    The rows of a float32 softmax do not sum to 1 exactly, so equal models would overlap by more than 1.
    """
    return torch.minimum(p, q).sum(-1, dtype=torch.float64).clamp_(0, 1)


def _probabilities(scores: list[torch.Tensor]) -> torch.Tensor:
    rows = torch.cat(scores)
    if rows.device.type == "mps":  # no float64 there
        rows = rows.cpu()
    return torch.softmax(rows, dim=-1, dtype=torch.float32)


def _joined(parts: list[torch.Tensor], dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    if not parts:
        return np.empty(0, dtype=dtype)
    return torch.cat(parts).cpu().numpy().astype(dtype, copy=False)


def _unexpected(what: str) -> TraceError:
    from transformers import __version__

    return TraceError(
        f"transformers {__version__} generates otherwise than the recorder expects ({what}); "
        "wanted a release that specgap was tested with"
    )
