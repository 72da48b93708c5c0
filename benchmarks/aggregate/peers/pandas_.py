"""Pandas: columns in and `value_counts` of flat keys out, a file or a batch at a time; it has one thread.

Three keys, since the fine key that suits the other peers has too many values for its hash table.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from benchmarks.aggregate.work import (
    COLUMNS,
    FINE,
    MAX_POSITION,
    N_BINS,
    N_VERDICTS,
    NUDGE,
    Counts,
    Files,
    Tables,
    run_starts,
    sums,
)

#: Rows at a time: fewer make more groups in all, more fall out of the cache.
SLICE = 1 << 20


def count_files(files: Files, threads: int) -> Counts:
    frames = (pd.read_parquet(shard.path, columns=COLUMNS) for shard in files.traces)
    return _count(frames, files.groups.to_pandas())


def count_tables(tables: Tables, threads: int) -> Counts:
    traces = tables.traces
    frames = (traces.slice(start, SLICE).to_pandas() for start in range(0, traces.num_rows, SLICE))
    return _count(frames, tables.groups.to_pandas())


def _count(frames: Iterable[pd.DataFrame], groups: pd.DataFrame) -> Counts:
    first_cell = N_VERDICTS * groups.set_index("prompt")["group"].astype("int32")
    found: dict[str, list[pd.Series[int]]] = {"joint": [], "place": [], "surer": []}
    for frame in frames:
        for name, key in _keys(frame, first_cell).items():
            found[name].append(key.value_counts(sort=False))
    joint, place, surer = (pd.concat(parts).groupby(level=0).sum() for parts in found.values())
    cell_and_bin, position = np.divmod(place.index.to_numpy(), MAX_POSITION + 1)
    of_cell = cell_and_bin // (N_BINS + 1) * (MAX_POSITION + 1)
    return Counts.from_fine(
        joint=sums(joint.index.to_numpy(), joint.to_numpy(), FINE["joint"]),
        difference=sums(cell_and_bin, place.to_numpy(), FINE["difference"]),
        positions=sums(of_cell + position, place.to_numpy(), FINE["positions"]),
        surer=sums(surer.index.to_numpy(), surer.to_numpy(), FINE["surer"]),
    )


def _keys(frame: pd.DataFrame, first_cell: pd.Series) -> dict[str, pd.Series]:
    # A prompt is looked up once per run of its rows.
    prompt = frame["prompt"].to_numpy()
    starts = run_starts(prompt)
    of_run = frame["prompt"].iloc[starts].map(first_cell).to_numpy()
    cell = pd.Series(np.repeat(of_run, np.diff(starts, append=len(frame)))) + frame["verdict"]
    p, q = frame["p"].astype("float64"), frame["q"].astype("float64")
    p_bin, q_bin = (N_BINS * p).astype("int32"), (N_BINS * q).astype("int32")
    difference = p - q
    lower = np.floor(difference * (N_BINS / 2) + NUDGE)
    difference_bin = lower.astype("int32") - (difference < lower / (N_BINS / 2)) + N_BINS // 2
    row_of_bins = cell * (N_BINS + 1)
    return {
        "joint": (row_of_bins + p_bin) * (N_BINS + 1) + q_bin,
        "place": (row_of_bins + difference_bin) * (MAX_POSITION + 1) + frame["position"],
        "surer": cell[frame["q"] > frame["p"]],
    }
