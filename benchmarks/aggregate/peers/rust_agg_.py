"""rust_agg: the work of the peers, with digests, page checksums, nulls and ranges checked on the way."""

from benchmarks.aggregate import fold
from benchmarks.aggregate.work import Counts, Files, Tables

PARTS = ("p", "q", "difference", "joint", "positions", "surer")


def count_files(files: Files, threads: int) -> Counts:
    return fold.counts_of(fold.state_of_files(files, threads, PARTS))


def count_tables(tables: Tables, threads: int) -> Counts:
    return fold.counts_of(fold.state_of_tables(tables, threads, PARTS))
