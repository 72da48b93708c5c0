"""Tails of paths: what a schedule drafts after a rejection and then discards, with q and, where wanted, p.

A tail depends on its path and the offset of the rejection alone, so a longer one begins with a shorter one.
"""

from collections.abc import Sequence

import numpy as np
import torch

from specgap.models import ReadyPair
from specgap.settings import Decoding
from specgap.trace.batch import Stepper, Told, grouped
from specgap.trace.choice import Decider, check_finite
from specgap.trace.drafting import Drafted, Drafter, Rejections, TargetPath
from specgap.trace.draws import Array
from specgap.trace.following import Follower
from specgap.trace.ledger import Columns

_NAMES = ("prompt", "sample", "start", "offset", "token", "q", "p")


class Tails:
    """Makes tails of a pair under a decoding; a prompt and its path have at most `longest` tokens."""

    def __init__(self, pair: ReadyPair, decoding: Decoding, *, seed: int, longest: int) -> None:
        decider = Decider(decoding)
        with torch.inference_mode():
            draft, target = (Stepper(model, longest) for model in (pair.draft, pair.target))
        self._drafter = Drafter(draft, decider, pair.eos_token_ids, seed=seed)
        self._follower = Follower(target, decider)

    @torch.inference_mode()
    def collect(
        self, paths: Sequence[TargetPath], rejections: Rejections, *, sample: int, at_once: int, told: Told
    ) -> Columns:
        """Return the rows (`schema.TAILS`) of tails of one sample's paths, in the order of `rejections`."""
        places: list[Array] = []
        parts: list[Columns] = []
        lengths = [len(path.text) + len(path.tokens) for path in paths]
        for group in grouped(lengths, at_once=at_once, equal=False):
            chosen = np.flatnonzero(np.isin(rejections.path, group))
            index = {path: place for place, path in enumerate(group)}
            found = rejections.of(
                chosen, np.array([index[path] for path in rejections.path[chosen].tolist()])
            )
            if len(chosen):
                some = [paths[number] for number in group]
                drafted = self._drafter.draft(some, found, sample=sample, at_once=at_once, told=told)
                p = self._followed(some, found, drafted, at_once)
                places.append(chosen[drafted.tail])
                parts.append(_columns(some, found, drafted, p, sample))
            told(len(group), 0)
        if not parts:
            return dict.fromkeys(_NAMES, np.empty(0))
        order = np.argsort(np.concatenate(places), kind="stable")
        return {name: np.concatenate([part[name] for part in parts])[order] for name in _NAMES}

    def _followed(
        self, paths: Sequence[TargetPath], found: Rejections, drafted: Drafted, at_once: int
    ) -> Array:
        """Return p of each drafted token, NaN where no setting needs it."""
        p = np.full(len(drafted.token), np.nan, dtype=np.float32)
        needed = _needed(found, drafted)
        some = np.flatnonzero(needed)
        if not len(some):
            return p
        first = np.cumsum(drafted.length) - drafted.length
        given = [
            np.concatenate([found.token[[tail]], drafted.token[first[tail] : first[tail] + needed[tail]]])
            for tail in some.tolist()
        ]
        prefix = np.array([len(path.text) for path in paths])[found.path[some]] + found.start[some]
        texts = [[*path.text, *path.tokens[:-1]] for path in paths]
        for tail, part in zip(
            some.tolist(),
            self._follower.follow(texts, found.path[some], prefix, given, at_once=at_once),
            strict=True,
        ):
            check_finite("p", part)
            p[first[tail] : first[tail] + len(part)] = part
        return p


def _needed(found: Rejections, drafted: Drafted) -> Array:
    """Return of how many tokens of each tail some setting needs p; a setting stops below its threshold."""
    needed = np.zeros_like(drafted.length)
    for number, threshold in enumerate(found.thresholds.tolist()):
        stop = np.where(found.q.astype(np.float64) >= threshold, found.full[:, number], 0)
        below = drafted.q.astype(np.float64) < threshold
        np.minimum.at(stop, drafted.tail[below], drafted.step[below] + 1)
        needed = np.maximum(needed, np.minimum(stop, drafted.length))
    return needed


def _columns(
    paths: Sequence[TargetPath], found: Rejections, drafted: Drafted, p: Array, sample: int
) -> Columns:
    check_finite("q", drafted.q)
    prompts = np.array([path.prompt for path in paths], dtype=np.uint64)
    start = found.start[drafted.tail]
    return {
        "prompt": prompts[found.path[drafted.tail]],
        "sample": np.full(len(start), sample),
        "start": start,
        "offset": start + 1 + drafted.step,
        "token": drafted.token,
        "q": drafted.q,
        "p": p,
    }
