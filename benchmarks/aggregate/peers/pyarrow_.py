"""PyArrow: compute functions and `group_by` on flat keys, a file or a batch at a time.

Group by group and not as one Acero plan over the data set: that joins and groups slower.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.aggregate.work import COLUMNS, MAX_POSITION, N_BINS, N_VERDICTS, NUDGE, Counts, Files, Tables

#: Rows at a time: fewer make more groups in all, more fall out of the cache.
SLICE = 1 << 20


def count_files(files: Files, threads: int) -> Counts:
    pa.set_cpu_count(threads)
    tables = (pq.read_table(shard.path, columns=COLUMNS, use_threads=threads > 1) for shard in files.traces)
    return _count(tables, files.groups, use_threads=threads > 1)


def count_tables(tables: Tables, threads: int) -> Counts:
    pa.set_cpu_count(threads)
    traces = tables.traces
    slices = (traces.slice(start, SLICE) for start in range(0, traces.num_rows, SLICE))
    return _count(slices, tables.groups, use_threads=threads > 1)


def _count(tables: Iterable[pa.Table], groups: pa.Table, *, use_threads: bool) -> Counts:
    first_cell = pc.multiply(groups["group"].cast(pa.int32()), N_VERDICTS)
    found: dict[str, list[pa.Table]] = {"fine": [], "position": []}
    for table in tables:
        for name, key in _keys(table, groups["prompt"], first_cell).items():
            grouped = pa.table({"key": key}).group_by("key", use_threads=use_threads)
            found[name].append(grouped.aggregate([([], "count_all")]))
    fine, positions = (pa.concat_tables(parts) for parts in found.values())
    columns = (table[name] for table in (fine, positions) for name in ("key", "count_all"))
    return Counts.from_keys(*(column.to_numpy() for column in columns))


def _keys(table: pa.Table, prompts: pa.ChunkedArray, first_cell: pa.ChunkedArray) -> dict[str, pa.Array]:
    of_prompt = first_cell.take(pc.index_in(table["prompt"], value_set=prompts))
    cell = pc.add(of_prompt, table["verdict"].cast(pa.int32()))
    p, q = (table[name].cast(pa.float64()) for name in ("p", "q"))
    fine = cell
    for bins in (_integer(pc.multiply(p, float(N_BINS))), _integer(pc.multiply(q, float(N_BINS)))):
        fine = pc.add(pc.multiply(fine, N_BINS + 1), bins)
    fine = pc.add(pc.multiply(fine, N_BINS + 1), _difference_bin(pc.subtract(p, q)))
    surer = pc.greater(table["q"], table["p"]).cast(pa.int32())
    position = table["position"].cast(pa.int32())
    return {
        "fine": pc.add(pc.multiply(fine, 2), surer),
        "position": pc.add(pc.multiply(cell, MAX_POSITION + 1), position),
    }


def _integer(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.int32(), safe=False)


def _difference_bin(difference: pa.ChunkedArray) -> pa.ChunkedArray:
    lower = pc.floor(pc.add(pc.multiply(difference, N_BINS / 2), NUDGE))
    too_great = pc.less(difference, pc.divide(lower, N_BINS / 2)).cast(pa.int32())
    return pc.add(pc.subtract(_integer(lower), too_great), N_BINS // 2)
