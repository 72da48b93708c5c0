"""NumPy: `bincount` on flat indices, block by block, a file or a batch per thread.

A block is as long as adding up its counters costs little. A prompt's group is looked up once per run of equal
prompts.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from benchmarks.aggregate import pool
from benchmarks.aggregate.work import (
    COLUMNS,
    FINE,
    MAX_POSITION,
    N_BINS,
    NUDGE,
    Array,
    Counts,
    Files,
    Tables,
    first_cells,
    run_starts,
)

BLOCK = 1 << 17


def count_files(files: Files, threads: int) -> Counts:
    return pool.count_files(partial(_count, groups=first_cells(files.groups)), files, threads)


def count_tables(tables: Tables, threads: int) -> Counts:
    return pool.count_tables(partial(_count, groups=first_cells(tables.groups)), tables, threads)


def _cells(groups: tuple[Array, Array], prompt: Array, verdict: Array) -> Array:
    """Which of the group × verdict cells each row belongs to."""
    known, cell_of = groups
    starts = run_starts(prompt)
    of_run = cell_of[np.searchsorted(known, prompt[starts])]
    return np.repeat(of_run, np.diff(starts, append=len(prompt))) + verdict


def _count(batches: Iterator[pa.RecordBatch], groups: tuple[Array, Array]) -> Counts:
    fine = {name: np.zeros(length, np.intp) for name, length in FINE.items()}
    for batch in batches:
        columns = [batch.column(name).to_numpy() for name in COLUMNS]
        for start in range(0, batch.num_rows, BLOCK):
            block = (column[start : start + BLOCK] for column in columns)
            for name, index in _indices(groups, *block).items():
                fine[name] += np.bincount(index, minlength=len(fine[name]))
    return Counts.from_fine(**fine)


def _indices(
    groups: tuple[Array, Array], prompt: Array, position: Array, p: Array, q: Array, verdict: Array
) -> dict[str, Array]:
    cell = _cells(groups, prompt, verdict)
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
