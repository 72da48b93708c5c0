"""One measurement in a process of its own: the work is done once to warm up, then once by the clock.

Not timed: imports, compiling, loading the table where the source is `memory`. Prints a JSON object.
"""

import gc
import importlib
import json
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow as pa
import typer

from benchmarks.aggregate import data
from benchmarks.aggregate.work import COLUMNS, Files, Peer, Tables
from specgap.memory import peak_resident


class Source(StrEnum):
    """Where the rows are when the clock starts."""

    PARQUET = "parquet"
    MEMORY = "memory"


@dataclass(frozen=True)
class Measurement:
    """What one run took; the peak is that of the whole process."""

    seconds: float
    cpu_seconds: float
    peak_rss_mib: float
    rows: int
    digests: dict[str, str]


def measure(name: str, source: Source, files: Files, threads: int) -> Measurement:
    """Count the rows once."""
    peer = cast(Peer, importlib.import_module(f"benchmarks.aggregate.peers.{name}_"))
    # Also for the loading; a peer that reads with pyarrow is bound by it.
    pa.set_cpu_count(threads)
    if source is Source.PARQUET:
        count = partial(peer.count_files, files, threads)
    else:
        count = partial(peer.count_tables, _load(files, whole=name == "rust_agg_full"), threads)
    count()
    gc.collect()
    before, cpu_before = time.perf_counter(), time.process_time()
    counts = count()
    seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
    return Measurement(seconds, cpu_seconds, peak_resident() / 2**20, int(counts.p.sum()), counts.digests())


def _load(files: Files, *, whole: bool) -> Tables:
    if not whole:
        return Tables(data.load(files.traces, COLUMNS), None, files.groups)
    return Tables(data.load(files.traces, None), data.load(files.rounds, None), files.groups)


def main(name: str, source: Source, threads: int, shards: int, folder: Path) -> None:
    measurement = measure(name, source, data.made(folder, shards), threads)
    print(json.dumps(asdict(measurement)))


if __name__ == "__main__":
    typer.run(main)
