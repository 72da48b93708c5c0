"""Threads for the peers that have none of their own; their libraries release the interpreter lock."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from benchmarks.aggregate.work import Counts

Piece = TypeVar("Piece")


def total(count: Callable[[Iterator[Piece]], Counts], pieces: Iterable[Piece], threads: int) -> Counts:
    """Add up what `threads` calls of `count` make of the pieces, which they take from one iterator."""
    shared = iter(list(pieces))
    if threads == 1:
        return count(shared)
    with ThreadPoolExecutor(threads) as pool:
        return Counts.total(pool.map(count, [shared] * threads))
