"""What was counted for each prompt of a cell, its samples summed: the ground of every rate.

Sums that are not counts (overlap, severity, entropy) are kept in fixed point, as whole multiples of 2⁻⁴⁰, and
added as whole numbers, so that no table depends on shards or order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any, Literal

import pandas as pd


@dataclass(frozen=True)
class Counts:
    """Counts of a prompt or a group; `cut` counts rounds shortened by the length limit."""

    rounds: int = 0
    cut: int = 0
    emitted: int = 0
    accepted: int = 0
    rejected: int = 0
    discarded: int = 0
    surer_accepted: int = 0
    surer_rejected: int = 0
    over_confident_accepted: int = 0
    over_confident_rejected: int = 0
    #: Judged tokens with an overlap, and their sum in units of 2⁻⁴⁰.
    overlap_values: int = 0
    overlap_sum: int = 0
    #: Σ (1 − p/q)₊ over judged tokens in units of 2⁻⁴⁰.
    severity_sum: int = 0
    #: Judged tokens with an entropy, and their sum (nats) in units of 2⁻⁴⁰.
    entropy_values: int = 0
    entropy_sum: int = 0

    @property
    def judged(self) -> int:
        """Accepted and rejected tokens."""
        return self.accepted + self.rejected

    @property
    def drafted(self) -> int:
        """All drafted tokens, the discarded ones too."""
        return self.judged + self.discarded

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in _NAMES))


#: What is known of discarded tokens (`rust_agg.State.discarded`): everything, how many there were, nothing.
Discarded = Literal["full", "counted", "unknown"]


@dataclass(frozen=True, kw_only=True)
class PromptCounts:
    """What inference on groups rests on: counts of each prompt of a cell, its samples summed and apart."""

    #: By prompt id, samples summed.
    prompts: dict[int, Counts]
    #: (accepted, judged) of each sample, by prompt id.
    samples: dict[int, list[tuple[int, int]]]
    discarded: Discarded
    #: False where p and q of tokens, and what cut a round, were not recorded: counts of a server.
    has_tokens: bool = True


_NAMES = tuple(field.name for field in fields(Counts))


def total(counts: Iterable[Counts]) -> Counts:
    """Return the sum of all counts."""
    return reduce(Counts.__add__, counts, Counts())


def ratio(part: int, whole: int) -> float | None:
    """Return part / whole, or None where there is nothing to divide by.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, None)
    """
    return part / whole if whole else None


def points(share: float | None) -> float | None:
    """Return a share in percentage points."""
    return None if share is None else 100 * share


def is_below(a: Counts, b: Counts) -> bool:
    """Return whether a has the lower acceptance rate: in whole numbers, so that equal rates are equal."""
    return bool(a.judged and b.judged and a.accepted * b.judged < b.accepted * a.judged)


def fixed_mean(fixed_sum: int, n: int) -> float | None:
    """Return the mean of n values whose sum is given in units of 2⁻⁴⁰, rounded once."""
    return fixed_sum / (n * 2**40) if n else None


Row = dict[str, Any]


def frame_of(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame of objects: whole numbers stay whole, and a missing value stays None."""
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})
