"""Paths that no model made: many positions, for replay alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import rust_agg
from benchmarks.aggregate.work import DIFFERENCE_EDGES, JOINT_EDGES, N_GROUPS, PROBABILITY_EDGES
from specgap import files
from specgap.schema import PATHS
from specgap.trace.shards import write_parquet

MAX_NEW_TOKENS = 64
N_PROMPTS, N_SAMPLES = 5_000, 10
_VOCABULARY = 30_000
_SEED = 20261124


def write(path: Path) -> int:
    """Write paths of full length, seven proposals of ten accepted; return the number of positions."""
    rng = np.random.default_rng(_SEED)
    n = N_PROMPTS * N_SAMPLES * MAX_NEW_TOKENS
    p, q, other_p, other_q = (rng.random(n, dtype=np.float32) ** 2 for _ in range(4))
    accepted = rng.random(n) < 0.7
    token = rng.integers(0, _VOCABULARY, n)
    columns: dict[str, Any] = {
        "prompt": np.repeat(np.arange(N_PROMPTS), N_SAMPLES * MAX_NEW_TOKENS),
        "sample": np.tile(np.repeat(np.arange(N_SAMPLES), MAX_NEW_TOKENS), N_PROMPTS),
        "offset": np.tile(np.arange(MAX_NEW_TOKENS), N_PROMPTS * N_SAMPLES),
        "token": token,
        "proposal": np.where(accepted, token, (token + 1) % _VOCABULARY),
        "fate": accepted,
        "p": p,
        "q": q,
        "proposal_p": np.where(accepted, p, other_p),
        "proposal_q": np.where(accepted, q, other_q),
        "overlap": rng.random(n, dtype=np.float32),
        "entropy": rng.random(n, dtype=np.float32),
    }
    arrays = [pa.array(columns[field.name].astype(field.type.to_pandas_dtype())) for field in PATHS]
    with files.written_whole(path) as beside:
        write_parquet(pa.Table.from_arrays(arrays, schema=PATHS), beside)
    return n


def schedules() -> dict[str, rust_agg.Replay]:
    """Return a hundred settings: constant and heuristic, without and with thresholds."""
    return {
        f"{schedule}-{gamma}-t{threshold}": rust_agg.Replay(schedule, gamma, confidence_threshold=threshold)
        for schedule in ("constant", "heuristic")
        for threshold in (0.0, 0.2)
        for gamma in range(1, 26)
    }


def groups() -> rust_agg.Groups:
    """Return ten groups."""
    prompts = np.arange(N_PROMPTS)
    table = {"prompt": prompts.astype(np.uint64), "group": (prompts % N_GROUPS).astype(np.uint32)}
    names = [str(number) for number in range(N_GROUPS)]
    return rust_agg.Groups(pa.table(table | {"unit": table["group"]}), names, names)


def grids() -> rust_agg.Grids:
    """Return the bins of the aggregation benchmark."""
    return rust_agg.Grids(PROBABILITY_EDGES, DIFFERENCE_EDGES, JOINT_EDGES)
