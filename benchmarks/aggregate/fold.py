"""rust_agg's side: its grids and groups, and its tables as the arrays that peers return."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import rust_agg
from benchmarks.aggregate.work import (
    DIFFERENCE_EDGES,
    JOINT_EDGES,
    N_GROUPS,
    PROBABILITY_EDGES,
    Array,
    Counts,
    Files,
    Shard,
    Tables,
)

GROUP_NAMES = [f"group {number}" for number in range(N_GROUPS)]
VERDICTS = ["rejected", "accepted", "discarded"]


def state_of_files(files: Files, threads: int, parts: Sequence[str] | None) -> rust_agg.State:
    """Fold shards whose length and digest are known."""
    rounds = _shards(files.rounds) if parts is None else None
    return _fold(_shards(files.traces), rounds, files.groups, threads, parts)


def state_of_tables(tables: Tables, threads: int, parts: Sequence[str] | None) -> rust_agg.State:
    """Fold what is loaded."""
    return _fold(tables.traces, tables.rounds, tables.groups, threads, parts)


def counts_of(state: rust_agg.State) -> Counts:
    """Return the arrays that peers return."""
    p, q, difference, joint = (
        state.histogram(quantity).values() for quantity in ("p", "q", "difference", "joint")
    )
    counts = replace(Counts.zeros(), p=p, q=q, difference=difference, joint=joint)
    positions = pa.table(state.positions())
    counts.positions[*_cells(positions), positions["position"].to_numpy()] = positions["count"].to_numpy()
    surer = pa.table(state.surer())
    counts.surer[_cells(surer)] = surer["n_surer"].to_numpy()
    return counts


def _fold(
    traces: Any, rounds: Any, groups: pa.Table, threads: int, parts: Sequence[str] | None
) -> rust_agg.State:
    n_units = 1 + pc.max(groups["unit"]).as_py()
    return rust_agg.fold(
        traces,
        rounds,
        rust_agg.Groups(groups, GROUP_NAMES, [f"unit {number}" for number in range(n_units)]),
        grids=rust_agg.Grids(PROBABILITY_EDGES, DIFFERENCE_EDGES, JOINT_EDGES),
        parts=parts,
        threads=threads,
    )


def _shards(shards: Sequence[Shard]) -> list[rust_agg.Shard]:
    return [
        rust_agg.Shard(shard.path, length=shard.length, xxh3_128=shard.xxh3_128, rows=shard.rows)
        for shard in shards
    ]


def _cells(rows: pa.Table) -> tuple[Array, Array]:
    group, verdict = (
        pc.index_in(rows[name].cast(pa.string()), value_set=pa.array(names)).to_numpy().astype(np.intp)
        for name, names in (("group", GROUP_NAMES), ("verdict", VERDICTS))
    )
    return group, verdict
