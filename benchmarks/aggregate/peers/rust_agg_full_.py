"""rust_agg_full: everything that rust_agg can tell of traces and rounds."""

from benchmarks.aggregate import fold
from benchmarks.aggregate.work import Counts, Files, Tables


def count_files(files: Files, threads: int) -> Counts:
    return fold.counts_of(fold.state_of_files(files, threads, None))


def count_tables(tables: Tables, threads: int) -> Counts:
    return fold.counts_of(fold.state_of_tables(tables, threads, None))
