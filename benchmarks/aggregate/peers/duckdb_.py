"""DuckDB: one SQL pass with two grouping sets of a flat key each."""

from typing import Any

import duckdb

from benchmarks.aggregate.work import MAX_POSITION, N_BINS, N_VERDICTS, NUDGE, Counts, Files, Tables

SQL = f"""
with wide as (
    select
        ({N_VERDICTS} * groups."group" + verdict)::integer as cell,
        position,
        p::double as p,
        q::double as q,
        p::double - q::double as difference,
        floor({N_BINS / 2} * (p::double - q::double) + {NUDGE}) as lower
    from {{rows}} join groups using (prompt)
),
binned as (
    select
        cell,
        position,
        floor({N_BINS} * p)::integer as p_bin,
        floor({N_BINS} * q)::integer as q_bin,
        lower::integer - (difference < lower / {N_BINS / 2})::integer + {N_BINS // 2} as difference_bin,
        (q > p)::integer as surer
    from wide
),
keyed as (
    select
        (((cell * {N_BINS + 1} + p_bin) * {N_BINS + 1} + q_bin) * {N_BINS + 1} + difference_bin) * 2 + surer
            as fine,
        cell * {MAX_POSITION + 1} + position as place
    from binned
)
select fine, place, count(*) as n from keyed group by grouping sets ((fine), (place))
"""


def count_files(files: Files, threads: int) -> Counts:
    paths = [str(shard.path) for shard in files.traces]
    return _count(f"read_parquet({paths!r})", threads, groups=files.groups)


def count_tables(tables: Tables, threads: int) -> Counts:
    return _count("traces", threads, groups=tables.groups, traces=tables.traces)


def _count(rows: str, threads: int, **tables: Any) -> Counts:
    with duckdb.connect(config={"threads": threads, "preserve_insertion_order": False}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        found = connection.sql(SQL.format(rows=rows)).to_arrow_table()
    is_fine = found["fine"].is_valid()
    fine, positions = found.filter(is_fine), found.filter(found["place"].is_valid())
    columns = (fine["fine"], fine["n"], positions["place"], positions["n"])
    return Counts.from_keys(*(column.to_numpy() for column in columns))
