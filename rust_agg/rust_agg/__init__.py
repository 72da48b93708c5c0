"""Folds token records of speculative decoding by group, exact to the bit."""

from rust_agg._core import (
    DataError,
    Grids,
    Groups,
    State,
    StateError,
    Table,
    __version__,
    empty,
    fold,
)

__all__ = [
    "DataError",
    "Grids",
    "Groups",
    "State",
    "StateError",
    "Table",
    "__version__",
    "empty",
    "fold",
]
