"""One round of many rows: what they drafted, and what verification makes of it.

Rows draft differently many tokens, so a round's tokens stand in one list: the first token of each row that
drafted any, then the second of each that drafted two, and so on. The target's distributions have the same
order, and after them comes one of each row: what follows all that it drafted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from specgap.trace.choice import Decider, Distributions, draw
from specgap.trace.draws import Array, Purpose
from specgap.trace.recorder import entropy_of, overlap_of

#: Random numbers, float64 in [0, 1): of rows, steps behind the round's start, and a purpose or one of each.
Draws = Callable[[Array, Array, Any], Array]


@dataclass(frozen=True)
class Draft:
    """The D tokens that R rows drafted in a round."""

    count: Array  # (R)
    row: Array  # (D)
    step: Array  # (D), from 0
    token: Array  # (D)
    q: torch.Tensor  # what each was drawn from, (D, vocabulary)

    @classmethod
    def joined(cls, count: Array, parts: Sequence[tuple[Array, Array, Array, torch.Tensor]]) -> "Draft":
        """Return a round from its steps: rows, step, tokens and q of each."""
        if not parts:
            nothing = np.empty(0, dtype=np.int64)
            return cls(count, nothing, nothing, nothing, torch.empty(0))
        row, step, token, q = zip(*parts, strict=True)
        return cls(count, np.concatenate(row), np.concatenate(step), np.concatenate(token), torch.cat(q))


@dataclass(frozen=True)
class Judged:
    """What became of them; J of the D tokens are judged, the others discarded."""

    accepted: Array  # (R): how many
    own: Array  # (R): the target's token after the accepted ones
    own_p: Array  # (R)
    p: Array  # (D)
    q: Array  # (D)
    is_judged: Array  # (D)
    overlap: Array  # (J)
    entropy: Array  # (J), of p, nats


def judge(decider: Decider, draft: Draft, scores: torch.Tensor, draws: Draws) -> Judged:
    """Verify a round by the target's scores, (D + R, vocabulary).

    A token x is accepted with probability min(1, p(x) / q(x)), and what follows a rejection is drawn from
    norm(max(0, p − q)): Leviathan et al. 2023, https://arxiv.org/abs/2211.17192, algorithm 1. Greedy, x is
    accepted where it is the target's argmax.
    """
    p, n_drafted = decider.distributions(scores), len(draft.token)
    q = draft.q.to(scores.device) if n_drafted else p.probabilities[:0]
    token = torch.as_tensor(draft.token, device=scores.device)
    p_of, q_of = (part[:n_drafted].gather(1, token[:, None])[:, 0] for part in (p.probabilities, q))
    if decider.is_greedy:
        likeliest = decider.choose(p, None)
        failed = _first_failures(draft, (likeliest[:n_drafted] == token).cpu().numpy())
        own = likeliest[_places(draft, failed)]
    else:
        u = torch.as_tensor(draws(draft.row, draft.step, Purpose.FATE), device=scores.device)
        failed, weights = _corrected(draft, accepts(u, p_of, q_of).cpu().numpy(), p.probabilities, q)
        purpose = np.where(failed < draft.count, Purpose.RESIDUAL, Purpose.TARGET)
        u = torch.as_tensor(draws(np.arange(len(failed)), failed, purpose), device=scores.device)
        own = draw(weights, u)
    own_p = p.probabilities[_places(draft, failed)].gather(1, own[:, None])[:, 0]
    is_judged = draft.step <= failed[draft.row]
    overlap, entropy = _compared(p, q, is_judged)
    return Judged(
        accepted=failed,
        own=own.cpu().numpy(),
        own_p=own_p.cpu().numpy(),
        p=p_of.cpu().numpy(),
        q=q_of.cpu().numpy(),
        is_judged=is_judged,
        overlap=overlap,
        entropy=entropy,
    )


def accepts(u: torch.Tensor, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return where u, float64 in [0, 1), is below p / q."""
    return u * q.double() < p.double()


def _first_failures(draft: Draft, accepted: Array) -> Array:
    """Return how many tokens each row keeps: those before its first that is not accepted."""
    failed = draft.count.copy()
    np.minimum.at(failed, draft.row[~accepted], draft.step[~accepted])
    return failed


def _places(draft: Draft, step: Array) -> Array:
    """Return where each row's distribution of a step stands."""
    rows, n_drafted = np.arange(len(draft.count)), len(draft.token)
    places = np.zeros((len(rows), int(draft.count.max()) + 1), dtype=np.int64)
    places[draft.row, draft.step] = np.arange(n_drafted)
    places[rows, draft.count] = n_drafted + rows
    found: Array = places[rows, step]
    return found


def _corrected(draft: Draft, accepted: Array, p: torch.Tensor, q: torch.Tensor) -> tuple[Array, torch.Tensor]:
    """Return how many tokens each row keeps, and what its own token is drawn from, (R, vocabulary)."""
    while True:
        failed = _first_failures(draft, accepted)
        places = _places(draft, failed)
        rejected = np.flatnonzero(failed < draft.count)
        weights = p[places]
        gain = (weights[rejected] - q[places[rejected]]).clamp_(min=0)
        # Two models that differ by rounding alone may leave nothing to draw from: then nothing is rejected.
        empty = (gain.sum(-1) == 0).cpu().numpy()
        if not empty.any():
            weights[rejected] = gain
            return failed, weights
        accepted[places[rejected[empty]]] = True


def _compared(p: Distributions, q: torch.Tensor, is_judged: Array) -> tuple[Array, Array]:
    """Return overlap, and entropy of p, of the judged tokens, float64."""
    mine = p.probabilities[: len(is_judged)]
    if not is_judged.all():
        judged = torch.as_tensor(np.flatnonzero(is_judged), device=q.device)
        mine, q = mine[judged], q[judged]
    entropy = entropy_of(mine)
    return overlap_of(mine, q).cpu().numpy(), entropy.cpu().numpy()
