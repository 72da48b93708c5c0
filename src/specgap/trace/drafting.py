"""The draft goes on after rejected proposals, many at once: each as far as any setting would have drafted.

How far that is depends on what is drawn: a setting stops at its threshold. So wanted lengths come by
threshold, and a tail goes on while any setting still needs it. Keys and values of a path are computed once;
every tail starts from a copy of its part of them, and takes the place of one that has ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from specgap.trace.batch import Batch, Stepper, Told, grouped
from specgap.trace.choice import Decider
from specgap.trace.draws import Array, Purpose, uniforms
from specgap.trace.ragged import RaggedBatch

#: Rows that have ended leave the batch when they are this share of it and no tail waits for their place.
_ENDED = 0.25


@dataclass(frozen=True)
class TargetPath:
    """A prompt's token ids and the tokens of the path after it."""

    prompt: int
    text: Sequence[int]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Rejections:
    """n rejected proposals after which the draft may go on, in the order of their rows in the file.

    `path` (n): index of its path; `start` (n): its offset; `token`, `q` (n): the proposal and its probability
    under the draft. `counted`, `full` (n, thresholds): the most tokens that settings of each threshold need,
    of the tail and of p; 0 for none.
    """

    path: Array
    start: Array
    token: Array
    q: Array
    counted: Array
    full: Array
    thresholds: Array

    def of(self, chosen: Array, path: Array) -> "Rejections":
        """Return some of them, whose paths have other indices."""
        token, q, counted, full = (part[chosen] for part in (self.token, self.q, self.counted, self.full))
        return Rejections(path, self.start[chosen], token, q, counted, full, self.thresholds)


@dataclass(frozen=True)
class Drafted:
    """Tails of n rejections, one after another.

    `length` (n): of each tail; `token`, `q`: of all tokens; `tail`, `step`: which tail, and where in it.
    """

    length: Array
    token: Array
    q: Array

    @property
    def tail(self) -> Array:
        return np.repeat(np.arange(len(self.length)), self.length)

    @property
    def step(self) -> Array:
        return _steps(self.length)


class Drafter:
    """Drafts tails with one model under one decoding."""

    def __init__(self, draft: Stepper, decider: Decider, eos: Sequence[int], *, seed: int) -> None:
        self._draft, self._decider, self._seed = draft, decider, seed
        self._eos = np.array(eos, dtype=np.int64)

    def draft(
        self, paths: Sequence[TargetPath], found: Rejections, *, sample: int, at_once: int, told: Told
    ) -> Drafted:
        """Return the tail of each rejection, where some may be empty; `paths` fit into memory together."""
        prefix = np.array([len(path.text) for path in paths])[found.path] + found.start
        run = _Run(found, None if self._decider.is_greedy else self._numbers(paths, found, sample), self._eos)
        if not len(run.queue):
            return run.drafted()
        if self._draft.is_ragged:
            texts = [[*path.text, *path.tokens[:-1]] for path in paths]
            source = self._draft.open(texts, max(map(len, texts)))
            assert isinstance(source, RaggedBatch)
            batch = RaggedBatch(
                self._draft.model, min(at_once, len(run.queue)), int((prefix + run.most).max())
            )

            def load(rows: Array, tails: Array) -> None:
                batch.load(rows, source, found.path[tails], prefix[tails])

            self._go(batch, run, load, told)
        else:
            waiting = run.queue
            for group in grouped(prefix[waiting].tolist(), at_once=at_once, equal=True):
                run.queue = waiting[group]
                known = [(paths[found.path[tail]], found.start[tail]) for tail in run.queue.tolist()]
                texts = [[*path.text, *path.tokens[:start]] for path, start in known]
                self._go(self._draft.open(texts, 0), run, None, told)
        return run.drafted()

    def _go(self, batch: Batch, run: "_Run", load: Callable[[Array, Array], None] | None, told: Told) -> None:
        run.seat(batch.n_rows)
        while True:
            rows, tails = run.fill()
            if load is not None and len(rows):
                load(rows, tails)
            n_live = run.n_live
            if not n_live:
                return
            kept = run.cut()
            if kept is not None:
                batch.keep(torch.from_numpy(kept))
            q = self._decider.distributions(batch.step(torch.from_numpy(run.tokens)))
            u = run.numbers()
            token = self._decider.choose(q, None if u is None else torch.from_numpy(u).to(q.scores.device))
            ended = run.take(token.cpu().numpy(), q.of(token).cpu().numpy())
            if len(ended):
                batch.forget(ended)
            told(0, n_live)

    def _numbers(self, paths: Sequence[TargetPath], found: Rejections, sample: int) -> Array:
        """Return the random numbers of all tokens that may be drawn, tail by tail."""
        most = _most(found)
        tail = np.repeat(np.arange(len(most)), most)
        prompts = np.array([path.prompt for path in paths], dtype=np.uint64)
        start = found.start[tail]
        return uniforms(
            self._seed,
            prompt=prompts[found.path[tail]],
            sample=sample,
            offset=start + 1 + _steps(most),
            purpose=Purpose.TAIL,
            start=start,
        )


class _Run:
    """Which tails are under way in which rows, and what was drawn for all of them."""

    def __init__(self, found: Rejections, u: Array | None, eos: Array) -> None:
        self._found, self._u, self._eos = found, u, eos
        self.most = _most(found)
        self._first = np.cumsum(self.most) - self.most
        self._length = np.zeros_like(self.most)
        total = int(self.most.sum())
        # One place more, where rows without a tail write.
        self._token, self._q = np.zeros(total + 1, dtype=np.int64), np.zeros(total + 1, dtype=np.float32)
        # The longest first, so that the rows end together.
        self.queue = np.argsort(-self.most, kind="stable")[: int((self.most > 0).sum())]

    def seat(self, n_rows: int) -> None:
        """Begin with rows that are all free."""
        self._tail = np.full(n_rows, -1)
        self._done = np.zeros(n_rows, dtype=np.int64)
        self.tokens = np.zeros(n_rows, dtype=np.int64)
        self._open = np.zeros((n_rows, len(self._found.thresholds)), dtype=bool)

    def fill(self) -> tuple[Array, Array]:
        """Give free rows to waiting tails; return both."""
        free = np.flatnonzero(self._tail < 0)
        rows, tails = free[: len(self.queue)], self.queue[: len(free)]
        self.queue = self.queue[len(rows) :]
        self._tail[rows], self._done[rows] = tails, 0
        self.tokens[rows] = self._found.token[tails]
        self._open[rows] = self._found.q[tails, None].astype(np.float64) >= self._found.thresholds
        return rows, tails

    @property
    def n_live(self) -> int:
        return int((self._tail >= 0).sum())

    def cut(self) -> Array | None:
        """Drop free rows where they are many; return the places of the others, else None."""
        live = self._tail >= 0
        if live.sum() > (1 - _ENDED) * len(live):
            return None
        kept = np.flatnonzero(live)
        self._tail, self._done, self.tokens, self._open = (
            part[kept] for part in (self._tail, self._done, self.tokens, self._open)
        )
        return kept

    def numbers(self) -> Array | None:
        """Return the random number of each row's next token."""
        return None if self._u is None else self._u[np.minimum(self._at(), len(self._u) - 1)]

    def take(self, token: Array, q: Array) -> Array:
        """Keep each row's next token and its probability; return the rows whose tails end."""
        at = self._at()
        self._token[at], self._q[at] = token, q
        self._done += 1
        self._open &= q[:, None].astype(np.float64) >= self._found.thresholds
        wanted = (self._open & (self._done[:, None] < self._found.counted[self._tail])).any(axis=1)
        ended = np.flatnonzero((self._tail >= 0) & ~(wanted & ~np.isin(token, self._eos)))
        self._length[self._tail[ended]] = self._done[ended]
        self._tail[ended] = -1
        self.tokens = token
        return ended

    def drafted(self) -> Drafted:
        """Return what was drawn, without the room that was not needed."""
        index = np.repeat(self._first, self._length) + _steps(self._length)
        return Drafted(self._length, self._token[index], self._q[index])

    def _at(self) -> Array:
        at: Array = np.where(self._tail >= 0, self._first[self._tail] + self._done, len(self._token) - 1)
        return at


def _most(found: Rejections) -> Array:
    """Return the most tokens wanted of each tail, by settings whose threshold the proposal itself passes."""
    passed = found.q[:, None].astype(np.float64) >= found.thresholds
    most: Array = np.where(passed, found.counted, 0).max(axis=1, initial=0).astype(np.int64)
    return most


def _steps(lengths: Array) -> Array:
    """Return 0, 1, … of each run.

    >>> _steps(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    steps: Array = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return steps
