"""From scores to probabilities and tokens: the decoding's warpers, float32 softmax, draws by inverse CDF."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from specgap.errors import TraceError
from specgap.settings import Decoding
from specgap.trace.assisted import warpers


@dataclass(frozen=True)
class Distributions:
    """Processed scores and probabilities of rows, both float32 (rows, vocabulary)."""

    scores: torch.Tensor
    probabilities: torch.Tensor

    def of(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return each row's probability of its token, (rows,)."""
        return self.probabilities.gather(1, tokens[:, None])[:, 0]


class Decider:
    """Makes distributions and chooses tokens as one decoding says."""

    def __init__(self, decoding: Decoding) -> None:
        self.is_greedy = decoding.mode == "greedy"
        self._warpers: list[Any] = warpers(decoding)

    def distributions(self, scores: torch.Tensor) -> Distributions:
        """Process a model's scores, (rows, vocabulary), on a device that has float64."""
        if scores.device.type == "mps":
            scores = scores.cpu()
        scores = scores.float()
        for warper in self._warpers:
            scores = warper(None, scores)  # none of them looks at the text
        return Distributions(scores, torch.softmax(scores, dim=-1))

    def choose(self, found: Distributions, u: torch.Tensor | None) -> torch.Tensor:
        """Return a token of each row: the likeliest, or the one that `u`, float64 (rows,), falls on."""
        if self.is_greedy or u is None:
            return likeliest(found)
        return draw(found.probabilities, u)


def likeliest(found: Distributions) -> torch.Tensor:
    """Return each row's argmax; of equal scores the lowest id, as `torch.argmax` gives it on the CPU."""
    return found.scores.argmax(dim=-1)


def draw(weights: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Return, for each row of weights ≥ 0, the index that u in [0, 1) falls on; never one of weight 0.

    Sums are float64 and no sum needs to be 1: weights (rows, size), u float64 (rows,).

    >>> draw(torch.tensor([[0.0, 2.0, 0.0, 6.0]] * 3), torch.tensor([0.0, 0.2499, 0.25], dtype=torch.float64))
    tensor([1, 1, 3])
    """
    sums = weights.cumsum(-1, dtype=torch.float64)
    total = sums[:, -1]
    wanted = torch.minimum(u * total, torch.nextafter(total, torch.zeros_like(total)))
    found = torch.searchsorted(sums, wanted[:, None], right=True)[:, 0].clamp_(max=weights.shape[1] - 1)
    if weights.device.type == "cpu":
        return found
    # There sums are made in parallel and can fall by an ulp from one index to the next.
    return torch.where(weights.gather(1, found[:, None])[:, 0] > 0, found, weights.argmax(-1))


def check_finite(name: str, values: np.ndarray[Any, Any]) -> None:
    """Refuse a column of probabilities, overlaps or entropies that holds what is no number."""
    if not np.isfinite(values).all():
        raise TraceError(
            f"the models give a {name} that is no number; "
            "wanted finite scores (try dtype float32 or bfloat16)"
        )
