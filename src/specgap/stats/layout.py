"""Which prompt stands in which group, unit, block and stratum: what every test and interval rests on.

A *unit* is an identity term within a group, for a claim about a group is a claim about terms like these
(Clark 1973). A *block* is a template within a stratum, crossed with the groups. A *stratum* (say, singular
and plural) is compared within only. Where prompts have no term, each prompt is a unit of its own.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """One entry per group and distinct prompt of it, n in all; a prompt in two groups has two entries.

    All arrays are int64 of shape (n,). `group` and `stratum` index `groups` and `strata`. `unit` numbers the
    (group, term), so a unit lies in one group, though maybe in several strata. `block` numbers the
    (template, stratum) over all groups; None where no templates are named.
    """

    groups: tuple[str, ...]
    strata: tuple[str, ...]
    units: tuple[str, ...]
    group: Ints
    stratum: Ints
    unit: Ints
    block: Ints | None
    #: False where each prompt is a unit of its own.
    has_terms: bool = True

    def __len__(self) -> int:
        return len(self.group)

    def kept(self, chosen: NDArray[np.bool_]) -> "Layout":
        """Return the layout of some entries; names and numbers stay as they are."""
        return replace(
            self,
            group=self.group[chosen],
            stratum=self.stratum[chosen],
            unit=self.unit[chosen],
            block=None if self.block is None else self.block[chosen],
        )

    @cached_property
    def unit_at(self) -> Ints:
        """Place of each entry's unit among the units that have an entry, in order of their numbers."""
        return dense(self.unit)

    @cached_property
    def unit_group(self) -> Ints:
        """Group of each unit that has an entry."""
        group = np.zeros(len(np.unique(self.unit)), dtype=np.int64)
        group[self.unit_at] = self.group
        return group

    @cached_property
    def units_per_group(self) -> Ints:
        """Number of units with an entry, by group."""
        pairs = np.unique(np.stack([self.group, self.unit]), axis=1)
        return np.bincount(pairs[0], minlength=len(self.groups))


@dataclass(frozen=True)
class Sums:
    """What was summed over the samples of each entry of a layout: numerator and denominator of a rate."""

    part: Floats
    whole: Floats

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Entries with something to divide by; the others say nothing of the rate."""
        return self.whole > 0


def sums_by(values: Floats, index: Ints, n: int) -> Floats:
    """Return the sums of `values` by index, (n,)."""
    return np.asarray(np.bincount(index, weights=values, minlength=n), dtype=np.float64)


def dense(index: Ints) -> Ints:
    """Return the places of numbers among those that occur, (n,)."""
    return np.asarray(np.unique(index, return_inverse=True)[1], dtype=np.int64)


def kinds(unit: Ints, stratum: Ints) -> Ints:
    """Return a number for the set of strata that each unit has entries in, (units,); `unit` is dense."""
    inside = np.zeros((int(unit.max()) + 1, int(stratum.max()) + 1), dtype=bool)
    inside[unit, stratum] = True
    return np.asarray(np.unique(inside, axis=0, return_inverse=True)[1].reshape(-1), dtype=np.int64)
