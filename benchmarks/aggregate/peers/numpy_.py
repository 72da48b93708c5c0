"""NumPy: `bincount` on flat indices, block by block, a file or a batch per thread.

A block is as long as adding up its counters costs little. A prompt's group is looked up once per run of equal
prompts.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.aggregate.pool import total
from benchmarks.aggregate.work import (
    COLUMNS,
    FINE,
    MAX_POSITION,
    N_BINS,
    N_VERDICTS,
    NUDGE,
    Array,
    Counts,
    Files,
    Shard,
    Tables,
)

BLOCK = 1 << 17


def count_files(files: Files, threads: int) -> Counts:
    groups = _Groups(files.groups)

    def count(shards: Iterator[Shard]) -> Counts:
        tables = (pq.read_table(shard.path, columns=COLUMNS, use_threads=False) for shard in shards)
        return _count((batch for table in tables for batch in table.to_batches()), groups)

    return total(count, files.traces, threads)


def count_tables(tables: Tables, threads: int) -> Counts:
    groups = _Groups(tables.groups)
    return total(lambda batches: _count(batches, groups), tables.traces.to_batches(), threads)


class _Groups:
    def __init__(self, table: pa.Table) -> None:
        prompt = table["prompt"].to_numpy()
        order = np.argsort(prompt)
        self._prompt = prompt[order]
        self._cell = N_VERDICTS * table["group"].to_numpy().astype(np.intp)[order]

    def cells(self, prompt: Array, verdict: Array) -> Array:
        """Which of the group × verdict cells each row belongs to."""
        starts = np.concatenate(([0], np.flatnonzero(prompt[1:] != prompt[:-1]) + 1))
        of_run = self._cell[np.searchsorted(self._prompt, prompt[starts])]
        return np.repeat(of_run, np.diff(starts, append=len(prompt))) + verdict


def _count(batches: Iterator[pa.RecordBatch], groups: _Groups) -> Counts:
    fine = {name: np.zeros(length, np.intp) for name, length in FINE.items()}
    for batch in batches:
        columns = [batch.column(name).to_numpy() for name in COLUMNS]
        for start in range(0, batch.num_rows, BLOCK):
            block = (column[start : start + BLOCK] for column in columns)
            for name, index in _indices(groups, *block).items():
                fine[name] += np.bincount(index, minlength=len(fine[name]))
    return Counts.from_fine(**fine)


def _indices(
    groups: _Groups, prompt: Array, position: Array, p: Array, q: Array, verdict: Array
) -> dict[str, Array]:
    cell = groups.cells(prompt, verdict)
    row_of_bins = cell * (N_BINS + 1)
    wide_p, wide_q = p.astype(np.float64), q.astype(np.float64)
    difference = wide_p - wide_q
    lower = np.floor(difference * (N_BINS / 2) + NUDGE)
    lower -= difference < lower / (N_BINS / 2)
    p_bin, q_bin = ((N_BINS * value).astype(np.intp) for value in (wide_p, wide_q))
    return {
        "joint": (row_of_bins + p_bin) * (N_BINS + 1) + q_bin,
        "difference": row_of_bins + N_BINS // 2 + lower.astype(np.intp),
        "positions": cell * (MAX_POSITION + 1) + position,
        "surer": cell[q > p],
    }
