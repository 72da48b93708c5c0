"""Measures rust_agg, its peers and the decoder, each run in a process of its own; writes down the results.

Rounds are interleaved (A B C … A B C …), so that a slow minute of the machine hits all alike.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import typer

from benchmarks.aggregate import data
from benchmarks.aggregate.plot import draw
from benchmarks.aggregate.targets import FLOORS, OURS, PEERS, sentence, targets
from benchmarks.aggregate.work import Files, Shard
from benchmarks.machine import machine, versions

ROOT = Path(__file__).parents[2]
FLOOR = ROOT / "rust_agg/target/release/examples/decode_floor"
THREADS = (1, 2)
#: A shard takes this much (MiB), rounded up.
SHARD_MIB = 24


@dataclass(frozen=True)
class Case:
    """What is measured: a name, on so many shards of 1,000,000 rows."""

    name: str
    source: str
    threads: int
    shards: int

    def __str__(self) -> str:
        return f"{self.name} from {self.source}, {self.threads} threads, {self.shards} shards"


def main(
    output: Path = ROOT / "benchmarks/results",
    cache: Path = ROOT / data.CACHE,
    rounds: int = 5,
    shards: int = 20,
    many_shards: int = 200,
    floor: Path = FLOOR,
    only: list[str] | None = None,
) -> None:
    most = max(shards, many_shards)
    _check_disk(cache, most * SHARD_MIB)
    print(
        f"making {most} shards of {data.ROWS_PER_SHARD:,} rows, where they are not there yet", file=sys.stderr
    )
    folder = data.make(most, cache)
    load_before = os.getloadavg()[0]
    runs: dict[Case, list[dict[str, Any]]] = defaultdict(list)
    chosen = [case for case in cases(shards, many_shards) if not only or case.name in only]
    for number in range(rounds):
        for case in chosen:
            run = _run(case, folder, floor)
            runs[case].append(run)
            print(
                f"round {number + 1} of {rounds}: {case}: {run['seconds']:.3f} s", file=sys.stderr, flush=True
            )
    results = summarise(runs)
    met = targets(results)
    report = {
        "machine": {**machine(), "load_before": round(load_before, 2)},
        "versions": versions(ROOT, ("rust_agg", "numpy", "numba", "polars", "duckdb", "pyarrow", "pandas")),
        "work": {"rounds": rounds, "bytes_per_shard": _mean_lengths(data.made(folder, shards))},
        "results": results,
        "targets": met,
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "aggregate.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    draw(report, output / "aggregate.png")
    for target in met:
        print(sentence(target), file=sys.stderr)
    if wrong := [f"{r['name']} ({r['source']})" for r in results if not r["agrees"]]:
        sys.exit(f"counts differ from those of rust_agg: {', '.join(wrong)}")


def cases(shards: int, many_shards: int) -> list[Case]:
    """One round, in order."""
    everywhere = [
        Case(name, source, threads, shards)
        for source in ("parquet", "memory")
        for threads in THREADS
        for name in (*OURS, *PEERS)
    ]
    floors = [Case(name, "parquet", threads, shards) for threads in THREADS for name in FLOORS]
    many = [Case(name, "parquet", max(THREADS), many_shards) for name in OURS] if many_shards else []
    return [*floors, *everywhere, *many]


def summarise(runs: dict[Case, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One entry per case; counts are compared with those of the first run of rust_agg over as many rows."""
    wanted: dict[int, Any] = {}
    for case, measured in runs.items():
        if case.name == "rust_agg":
            wanted.setdefault(case.shards, measured[0]["digests"])
    return [
        {
            "name": case.name,
            "source": case.source,
            "threads": case.threads,
            "rows": case.shards * data.ROWS_PER_SHARD,
            "seconds_median": round(median(run["seconds"] for run in measured), 4),
            "seconds_min": round(min(run["seconds"] for run in measured), 4),
            "cpu_seconds": round(median(run["cpu_seconds"] for run in measured), 4),
            "peak_rss_mib": round(max(run["peak_rss_mib"] for run in measured), 1),
            "agrees": _agree(case, measured, wanted.get(case.shards)),
            "seconds": [round(run["seconds"], 4) for run in measured],
        }
        for case, measured in runs.items()
    ]


def _agree(case: Case, runs: Sequence[dict[str, Any]], wanted: Any) -> bool:
    rows = case.shards * data.ROWS_PER_SHARD
    # The decoder counts nothing but the rows that it has seen.
    return all(run["rows"] == rows and (case.name in FLOORS or run["digests"] == wanted) for run in runs)


def _run(case: Case, folder: Path, floor: Path) -> dict[str, Any]:
    threads = str(case.threads)
    if case.name in FLOORS:
        whole = case.name == "decode_floor_full"
        command = [str(floor), *(["--all"] if whole else []), threads]
        lines = _shard_list(data.made(folder, case.shards), with_rounds=whole)
    else:
        arguments = [case.name, case.source, threads, str(case.shards), str(folder)]
        command = [sys.executable, "-m", "benchmarks.aggregate.child", *arguments]
        lines = ""
    setting = dict.fromkeys(("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"), threads)
    environment = {**os.environ, **setting, "TYPER_STANDARD_TRACEBACK": "1"}
    done = subprocess.run(
        command, input=lines, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _shard_list(files: Files, *, with_rounds: bool) -> str:
    def lines(kind: str, shards: Iterable[Shard]) -> str:
        return "".join(f"{kind}\t{shard.length}\t{shard.xxh3_128}\t{shard.path}\n" for shard in shards)

    return lines("traces", files.traces) + (lines("rounds", files.rounds) if with_rounds else "")


def _mean_lengths(files: Files) -> dict[str, int]:
    kinds = {"traces": files.traces, "rounds": files.rounds}
    return {kind: sum(shard.length for shard in shards) // len(shards) for kind, shards in kinds.items()}


def _check_disk(cache: Path, wanted_mib: int) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    there = sum(path.stat().st_size for path in cache.rglob("*.parquet")) >> 20
    free = shutil.disk_usage(cache).free >> 20
    if free + there < wanted_mib:
        sys.exit(f"{free} MiB free in {cache}; wanted {wanted_mib - there} MiB for the rows")


if __name__ == "__main__":
    typer.run(main)
