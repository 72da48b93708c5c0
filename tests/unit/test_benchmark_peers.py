"""The peers of the benchmark count what rust_agg counts, and what a slow recount counts."""

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.aggregate import data
from benchmarks.aggregate.run import cases, summarise
from benchmarks.aggregate.targets import FLOORS, OURS, PEERS, targets
from benchmarks.aggregate.work import COLUMNS, DIFFERENCE_EDGES, Counts, Files, Shard, Tables
from specgap import files as on_disk
from specgap.trace.shards import write_parquet
from tests.property.rust_agg_recount import bin_of, equal_edges

ROWS = 10_000
SHARDS = 2
HUNDRED, FIFTY, DIFFERENCES = equal_edges(0, 1, 100), equal_edges(0, 1, 50), equal_edges(-1, 1, 100)


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Traces of two shards, in chunks, and with values that lie beside edges; rounds; groups."""
    made = [data.shard_tables(number, ROWS) for number in range(SHARDS)]
    traces, rounds = (pa.concat_tables(part) for part in zip(*made, strict=True))
    return Tables(_with_hard_differences(traces), rounds, data.groups())


@pytest.fixture(scope="module")
def files(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The same in two files of each kind."""
    folder = tmp_path_factory.mktemp("shards")
    assert tables.rounds is not None
    half = tables.rounds.num_rows // 2
    traces = [_write(folder / f"t{n}.parquet", tables.traces.slice(n * ROWS, ROWS)) for n in range(SHARDS)]
    rounds = [
        _write(folder / f"r{n}.parquet", tables.rounds.slice(n * half, half + n)) for n in range(SHARDS)
    ]
    return Files(tuple(traces), tuple(rounds), tables.groups)


@pytest.fixture(scope="module")
def wanted(tables: Tables) -> Counts:
    """Rows counted one by one, in plain Python."""
    counts = Counts.zeros()
    group_of = dict(zip(*(tables.groups[name].to_pylist() for name in ("prompt", "group")), strict=True))
    for row in tables.traces.select(COLUMNS).to_pylist():
        cell = (group_of[row["prompt"]], row["verdict"])
        p, q = row["p"], row["q"]
        counts.p[*cell, bin_of(HUNDRED, p)] += 1
        counts.q[*cell, bin_of(HUNDRED, q)] += 1
        counts.difference[*cell, bin_of(DIFFERENCES, p - q)] += 1
        counts.joint[*cell, bin_of(FIFTY, p), bin_of(FIFTY, q)] += 1
        counts.positions[*cell, row["position"]] += 1
        counts.surer[cell] += q > p
    return counts


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", [*OURS, *PEERS])
def test_every_peer_counts_as_a_slow_recount_does(
    name: str, threads: int, files: Files, tables: Tables, wanted: Counts
) -> None:
    peer = importlib.import_module(f"benchmarks.aggregate.peers.{name}_")
    assert peer.count_files(files, threads).digests() == wanted.digests()
    loaded = tables if name == "rust_agg_full" else replace(tables, rounds=None)
    assert peer.count_tables(loaded, threads).digests() == wanted.digests()


def test_the_invented_traces_agree_with_their_rounds() -> None:
    traces, rounds = (table.to_pandas() for table in data.shard_tables(3, ROWS))
    keys = ["prompt", "sample", "round"]
    drafted = rounds[rounds["drafted"] > 0].set_index(keys).sort_index()
    verdicts = traces.groupby(keys)["verdict"].agg(lambda of_round: "".join("RAD"[v] for v in of_round))
    assert verdicts.str.fullmatch("A*(RD*)?").all()
    assert (verdicts.str.len() == drafted["drafted"]).all()
    assert (verdicts.str.count("A") == drafted["accepted"]).all()
    rejected = traces[traces["verdict"] == 0]
    assert (rejected["q"] >= rejected["p"]).all()


def test_a_shard_is_the_same_whoever_makes_it() -> None:
    first, second = (data.shard_tables(7, 1000) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        assert ours.to_pandas().equals(theirs.to_pandas())


def test_results_have_an_entry_for_every_name_source_and_number_of_threads() -> None:
    results = _results(lambda case: 1.0)
    found = {(r["name"], r["source"], r["threads"]) for r in results if r["rows"] == 20_000_000}
    both = {(name, s, n) for name in (*OURS, *PEERS) for s in ("parquet", "memory") for n in (1, 2)}
    assert found == both | {(name, "parquet", n) for name in FLOORS for n in (1, 2)}
    assert all(result["agrees"] for result in results)


def test_targets_are_ratios_of_medians() -> None:
    seconds = {"rust_agg": 2.0, "numba": 3.0, "decode_floor": 1.0}
    found = {t["target"]: t for t in targets(_results(lambda case: seconds.get(case.name, 8.0)))}
    assert found["best peer / rust_agg, from Parquet"]["value"] == 1.5
    assert not found["best peer / rust_agg, from Parquet"]["met"]
    assert found["rust_agg / decode_floor"]["value"] == 2.0
    assert found["rust_agg: time per row at many rows / at fewer"]["value"] == 0.1


def test_a_result_that_differs_by_one_count_does_not_agree() -> None:
    case = next(case for case in cases(20, 0) if case.name == "numba")
    ours = next(case for case in cases(20, 0) if case.name == "rust_agg")
    run = {"seconds": 1.0, "cpu_seconds": 1.0, "peak_rss_mib": 1.0, "rows": 20_000_000}
    wrong = summarise({ours: [{**run, "digests": {"p": "a"}}], case: [{**run, "digests": {"p": "b"}}]})
    assert [result["agrees"] for result in wrong] == [True, False]


def _results(seconds: Any) -> list[dict[str, Any]]:
    runs = {
        case: [
            {
                "seconds": seconds(case),
                "cpu_seconds": 1.0,
                "peak_rss_mib": 100.0,
                "rows": case.shards * data.ROWS_PER_SHARD,
                "digests": {"p": "same"},
            }
        ]
        for case in cases(20, 200)
    }
    results: list[dict[str, Any]] = json.loads(json.dumps(summarise(runs)))
    return results


def _with_hard_differences(traces: pa.Table) -> pa.Table:
    # p - q at an edge of the difference and one float64 to either side of it, as near as float32 can come.
    hard = np.array(list(_pairs_beside_edges()), dtype=np.float32)
    columns = {name: traces[name].to_numpy().copy() for name in ("p", "q")}
    for name, values in zip(columns, hard.T, strict=True):
        columns[name][: len(values)] = values
    for name, values in columns.items():
        at = traces.schema.get_field_index(name)
        traces = traces.set_column(at, traces.schema.field(name), pa.array(values))
    return traces.combine_chunks()


def _pairs_beside_edges() -> Iterator[tuple[np.float32, np.float32]]:
    for edge in DIFFERENCE_EDGES:
        coarse = np.float32(edge)
        # coarse - rest is the edge itself, where the rest is a float32.
        rest = np.float32(np.float64(coarse) - edge)
        for p, q in ((coarse, rest), (-rest, -coarse)):
            for beside in (-1, q, 1):
                pair = (p, np.nextafter(q, np.float32(beside)))
                if all(0 <= value <= 1 for value in pair):
                    yield pair


def _write(path: Path, table: pa.Table) -> Shard:
    write_parquet(table, path)
    return Shard(path, path.stat().st_size, on_disk.xxh3_128(path), table.num_rows)
