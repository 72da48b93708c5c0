"""Folds token records of speculative decoding by group, exact to the bit."""

from rust_agg._core import (
    PARTS,
    Axis,
    DataError,
    Grids,
    Groups,
    Histogram,
    Shard,
    State,
    StateError,
    Table,
    Traits,
    __version__,
    empty,
    fold,
)

__all__ = [
    "PARTS",
    "Axis",
    "DataError",
    "Grids",
    "Groups",
    "Histogram",
    "Shard",
    "State",
    "StateError",
    "Table",
    "Traits",
    "__version__",
    "empty",
    "fold",
]
