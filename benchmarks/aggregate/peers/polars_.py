"""Polars: the streaming engine, one pass over the rows for two groupings by a flat key.

Threads are set by POLARS_MAX_THREADS before this is imported.
"""

import polars as pl

from benchmarks.aggregate.work import COLUMNS, MAX_POSITION, N_BINS, N_VERDICTS, NUDGE, Counts, Files, Tables


def count_files(files: Files, threads: int) -> Counts:
    rows = pl.scan_parquet([shard.path for shard in files.traces]).select(COLUMNS)
    return _count(rows, pl.DataFrame(files.groups))


def count_tables(tables: Tables, threads: int) -> Counts:
    traces = pl.DataFrame(pl.from_arrow(tables.traces, rechunk=False))
    return _count(traces.lazy(), pl.DataFrame(tables.groups))


def _count(rows: pl.LazyFrame, groups: pl.DataFrame) -> Counts:
    first_cell = groups.lazy().select("prompt", first_cell=N_VERDICTS * pl.col("group").cast(pl.Int32))
    binned = rows.join(first_cell, on="prompt", how="left").select(
        cell=pl.col("first_cell") + pl.col("verdict"),
        position=pl.col("position").cast(pl.Int32),
        p=_integer(N_BINS * _wide("p")),
        q=_integer(N_BINS * _wide("q")),
        difference=_difference_bin(_wide("p") - _wide("q")),
        surer=pl.col("q") > pl.col("p"),
    )
    key = pl.col("cell")
    for name in ("p", "q", "difference"):
        key = key * (N_BINS + 1) + pl.col(name)
    groupings = [
        binned.group_by(key=key * 2 + pl.col("surer")).len(),
        binned.group_by(key=pl.col("cell") * (MAX_POSITION + 1) + pl.col("position")).len(),
    ]
    fine, positions = pl.collect_all(groupings, engine="streaming")
    return Counts.from_keys(
        *(frame[name].to_numpy() for frame in (fine, positions) for name in ("key", "len"))
    )


def _wide(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64)


def _integer(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Int32, strict=False)


def _difference_bin(difference: pl.Expr) -> pl.Expr:
    lower = (difference * (N_BINS / 2) + NUDGE).floor()
    return _integer(lower) - (difference < lower / (N_BINS / 2)).cast(pl.Int32) + N_BINS // 2
