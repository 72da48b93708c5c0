"""Threads for the peers that have none of their own; their libraries release the interpreter lock.

A thread takes a file, or a batch of a loaded table, whenever it is free.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.aggregate.work import COLUMNS, Counts, Files, Shard, Tables

Piece = TypeVar("Piece")
#: What counts the rows of batches, which several threads may call.
Counting = Callable[[Iterator[pa.RecordBatch]], Counts]


def count_files(count: Counting, files: Files, threads: int) -> Counts:
    """Count whole files, each read by the thread that counts it."""

    def count_shards(shards: Iterator[Shard]) -> Counts:
        tables = (pq.read_table(shard.path, columns=COLUMNS, use_threads=False) for shard in shards)
        return count(batch for table in tables for batch in table.to_batches())

    return total(count_shards, files.traces, threads)


def count_tables(count: Counting, tables: Tables, threads: int) -> Counts:
    """Count the batches of a loaded table."""
    return total(count, tables.traces.to_batches(), threads)


def total(count: Callable[[Iterator[Piece]], Counts], pieces: Iterable[Piece], threads: int) -> Counts:
    """Add up what `threads` calls of `count` make of the pieces, which they take from one iterator."""
    shared = iter(list(pieces))
    if threads == 1:
        return count(shared)
    with ThreadPoolExecutor(threads) as pool:
        return Counts.total(pool.map(count, [shared] * threads))
