"""Numba: one fused loop over the rows, compiled, a file or a batch per thread with counters of its own.

Plain threads and not `prange`: each decodes and counts its own files, and nobody waits for the slower.
"""

from collections.abc import Iterator
from functools import partial

import numba
import numpy as np
import pyarrow as pa

from benchmarks.aggregate import pool
from benchmarks.aggregate.work import (
    COLUMNS,
    DIFFERENCE_EDGES,
    FINE,
    MAX_POSITION,
    N_BINS,
    NUDGE,
    Array,
    Counts,
    Files,
    Tables,
    first_cells,
)

EDGES = np.array(DIFFERENCE_EDGES)


def count_files(files: Files, threads: int) -> Counts:
    return pool.count_files(partial(_count, groups=first_cells(files.groups)), files, threads)


def count_tables(tables: Tables, threads: int) -> Counts:
    return pool.count_tables(partial(_count, groups=first_cells(tables.groups)), tables, threads)


def _count(batches: Iterator[pa.RecordBatch], groups: tuple[Array, Array]) -> Counts:
    # Half as wide, a thread's counters stay in its cache; 2**32 rows are enough here.
    fine = {name: np.zeros(length, np.uint32) for name, length in FINE.items()}
    for batch in batches:
        columns = [batch.column(name).to_numpy() for name in COLUMNS]
        _fold(*columns, *groups, EDGES, *fine.values())
    return Counts.from_fine(**fine)


@numba.njit(nogil=True, cache=True)
def _fold(
    prompt: Array,
    position: Array,
    p: Array,
    q: Array,
    verdict: Array,
    known: Array,
    cell_of: Array,
    edges: Array,
    n_joint: Array,
    n_difference: Array,
    n_positions: Array,
    n_surer: Array,
) -> None:
    cell_of_prompt = np.int64(0)
    for row in range(len(prompt)):
        if row == 0 or prompt[row] != prompt[row - 1]:
            cell_of_prompt = cell_of[np.searchsorted(known, prompt[row])]
        cell = cell_of_prompt + verdict[row]
        wide_p, wide_q = np.float64(p[row]), np.float64(q[row])
        difference = wide_p - wide_q
        bin = int(difference * (N_BINS / 2) + NUDGE + N_BINS / 2)
        bin -= difference < edges[bin]
        joint = (cell * (N_BINS + 1) + int(N_BINS * wide_p)) * (N_BINS + 1) + int(N_BINS * wide_q)
        n_joint[joint] += 1
        n_difference[cell * (N_BINS + 1) + bin] += 1
        n_positions[cell * (MAX_POSITION + 1) + position[row]] += 1
        n_surer[cell] += wide_q > wide_p
