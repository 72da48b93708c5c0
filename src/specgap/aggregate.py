"""From shards to counts: the prompts' groups and the bins go to `rust_agg`, one state per cell comes back.

A state knows groups by key: grouping and group joined by U+001F, since names of groups may hold anything a user types.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import rust_agg

from specgap.config import OVERALL, Bins
from specgap.errors import TraceError
from specgap.files import written_whole
from specgap.prompts import PromptSet
from specgap.tables.membership import Group, groups_in

_SEPARATOR = "\x1f"
#: Least probability with a bin of its own in the joint histogram, as a power of ten.
_JOINT_DECADES = 6


def group_key(grouping: str, group: str) -> str:
    """Return the name by which a state knows a group."""
    return f"{grouping}{_SEPARATOR}{group}"


def split_key(key: str) -> tuple[str, str]:
    """Return (grouping, group) of a key; a grouping's name never holds the separator."""
    grouping, group = key.split(_SEPARATOR, 1)
    return grouping, group


def unit_key(grouping: str, group: str, term: str | None, prompt: int) -> str:
    """Return the name by which a state knows a unit: a term within a group, or a prompt that has no term."""
    return f"{group_key(grouping, group)}{_SEPARATOR}{prompt if term is None else term}"


def grids(bins: Bins) -> rust_agg.Grids:
    """Return the bin edges: k/n, −1 + 2k/n, and for p × q 0 and then equal steps of log10 from 10⁻⁶ to 1."""
    steps = _JOINT_DECADES * bins.joint_per_decade
    return rust_agg.Grids(
        probability=[k / bins.probability for k in range(bins.probability + 1)],
        difference=[(2 * k - bins.difference) / bins.difference for k in range(bins.difference + 1)],
        # Decimal powers, since those of the C library differ between machines in the last bit.
        joint=[0.0, *(float(_power_of_ten(k - steps, bins.joint_per_decade)) for k in range(steps + 1))],
    )


def _power_of_ten(numerator: int, denominator: int) -> Decimal:
    return Decimal(10) ** (Decimal(numerator) / denominator)
