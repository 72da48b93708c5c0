"""Shards and damage to them, folded in a process of its own that may take little memory and little time.

`python -m tests.support.damage` is that process: jobs come in, outcomes go out, one JSON text a line.
"""

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import rust_agg
from specgap import files
from specgap.schema import ROUNDS, TRACES
from tests.property.rust_agg_recount import Plan, equal_edges
from tests.support import thrift

PLAN = Plan(
    probability=equal_edges(0, 1, 100),
    difference=equal_edges(-1, 1, 100),
    joint=equal_edges(0, 1, 50),
    group_names=["a", "b"],
    unit_names=["x", "y"],
    members=[(prompt, prompt % 2, prompt % 2) for prompt in range(19)],
)
#: What a fold of damaged files may take beyond what the process has before it; in MiB.
MOST_MIB = 300
#: No batch of jobs may take longer; in seconds.
MOST_SECONDS = 90
KINDS = ("bits", "cut", "zeros", "swap")


def traces(n: int, seed: int = 1) -> pa.Table:
    """Traces as studies have them: the rows of a prompt together, few positions, many small token ids."""
    rng = np.random.default_rng(seed)
    columns = {
        "prompt": np.sort(rng.integers(0, 20, n)),
        "sample": np.sort(rng.integers(0, 2, n)),
        "round": np.arange(n) // 5 % 500,
        "position": np.arange(n) % 5 + 1,
        "offset": np.arange(n) % 128,
        "token": rng.zipf(1.3, n) % 50_000,
        "p": rng.random(n) ** 3,
        "q": rng.random(n) ** 0.5,
        "overlap": rng.random(n),
        "entropy": rng.exponential(2, n),
        "verdict": rng.integers(0, 3, n),
    }
    return _table(columns, TRACES)


def rounds(n: int, seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {
        "prompt": np.sort(rng.integers(0, 20, n)),
        "sample": np.sort(rng.integers(0, 2, n)),
        "round": np.arange(n) % 500,
        "requested": np.full(n, 5),
        "drafted": np.full(n, 5),
        "accepted": rng.integers(0, 6, n),
        "emitted": rng.integers(1, 7, n),
        "next_token": rng.zipf(1.3, n) % 50_000,
        "next_p": rng.random(n),
        "censored": rng.integers(0, 4, n),
    }
    return _table(columns, ROUNDS, rng.random(n) < 0.1)


def _table(columns: dict[str, np.ndarray], schema: pa.Schema, nulls: np.ndarray | None = None) -> pa.Table:
    arrays = [
        pa.array(
            columns[field.name].astype(field.type.to_pandas_dtype()),
            type=field.type,
            mask=nulls if field.nullable else None,
        )
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def digest_of(path: Path) -> str:
    """The digest that `Shard` is given."""
    return files.xxh3_128(path)


def shard_of(path: Path, whole: Path) -> rust_agg.Shard:
    """A file that must be what `whole` is."""
    rows = pq.read_metadata(whole).num_rows
    return rust_agg.Shard(path, length=whole.stat().st_size, xxh3_128=digest_of(whole), rows=rows)


def damaged(data: bytes, seed: int, where: str) -> bytes:
    """The bytes with damage of the kind `KINDS[seed % 4]`, which begins `where`; never the same bytes."""
    rng = random.Random(f"{where} {seed}")
    while True:
        bad = _damage(data, KINDS[seed % len(KINDS)], rng, _places(data, where))
        if bad != data:
            return bad


@cache
def _places(data: bytes, where: str) -> Sequence[int]:
    if where == "footer":
        return range(thrift.footer_start(data), len(data))
    if where == "headers":
        return [at for page in thrift.pages(data) for at in range(page.start, page.body)]
    assert where == "anywhere", where
    return range(len(data))


def _damage(data: bytes, kind: str, rng: random.Random, places: Sequence[int]) -> bytes:
    bad, start = bytearray(data), rng.choice(places)
    if kind == "bits":
        for at in (start, *rng.choices(places, k=rng.randrange(3))):
            bad[at] ^= 1 << rng.randrange(8)
        return bytes(bad)
    if kind == "cut":
        return data[:start]
    length = min(int(2 ** rng.uniform(0, 12)), len(data) - start)
    if kind == "zeros":
        bad[start : start + length] = bytes(length)
        return bytes(bad)
    length = min(length, len(data) // 4)
    other = rng.randrange(len(data) - length)
    if rng.random() < 0.5:  # not far away: rows of a table in the footer, parts of a header
        other = min(
            max(0, start + rng.choice((-1, 1)) * rng.randrange(length, 4 * length)), len(data) - length
        )
    if abs(start - other) < length:
        return data
    bad[start : start + length], bad[other : other + length] = (
        data[other : other + length],
        data[start : start + length],
    )
    return bytes(bad)


@dataclass(frozen=True)
class Job:
    """What to fold: `whole` with damage `where`, or another file that must not be taken for it."""

    whole: str
    seed: int = 0
    where: str = ""
    file: str = ""
    parts: tuple[str, ...] | None = None
    #: Whether digest and length are known, and whether the file is one of many.
    known: bool = False
    among_many: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a fold said: an error with its place, or whether it gave what the whole file gives."""

    error: str = ""
    file: str | None = None
    row_group: int | None = None
    column: str | None = None
    same: bool = False
    seconds: float = 0.0
    #: The path that was folded.
    path: str = ""

    @property
    def names_its_file(self) -> bool:
        return self.error.startswith(f"{self.path}: ") and self.file == self.path

    @property
    def is_harmless(self) -> bool:
        """An error that says where, or the right numbers."""
        return self.names_its_file if self.error else self.same


def outcomes(jobs: Iterable[Job]) -> list[Outcome]:
    """Do the jobs in a process of its own; it must end well and say nothing."""
    jobs = list(jobs)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.damage"],
        input="\n".join(json.dumps(asdict(job)) for job in jobs),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # an arena more is 64 MiB of address space
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    *lines, last = done.stdout.splitlines() or [""]
    found = len(lines) if last.startswith("grew") else len(lines) + bool(last)
    assert done.returncode == 0, f"{jobs[found]} ended the process: {done.stderr[-500:]}"
    assert done.stderr == ""
    print(f"{len(lines)} folds: {last}")
    return [Outcome(**json.loads(line)) for line in lines]


def main() -> None:
    jobs = [Job(**json.loads(line)) for line in sys.stdin]
    for job in jobs:
        _whole(job.whole, job.parts and tuple(job.parts))
    _limit_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        for job in jobs:
            print(json.dumps(asdict(_outcome(job, Path(folder) / "bad.parquet"))), flush=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"grew by {grown} MiB, and might have by {MOST_MIB}")


def _limit_memory() -> None:
    with contextlib.suppress(FileNotFoundError):  # Linux alone says what a process has
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + (MOST_MIB << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _outcome(job: Job, bad: Path) -> Outcome:
    whole, parts = Path(job.whole), job.parts and tuple(job.parts)
    path = Path(job.file) if job.file else bad
    if job.where:
        path.write_bytes(damaged(_bytes(job.whole), job.seed, job.where))
    given: list[object] = [shard_of(path, whole) if job.known else path]
    if job.among_many:
        given = [shard_of(whole, whole)] * 3 + given + [shard_of(whole, whole)] * 4
    start = time.perf_counter()
    try:
        state = _fold(given, _is_rounds(job.whole), parts)
    except rust_agg.DataError as error:
        seconds = time.perf_counter() - start
        return Outcome(str(error), error.file, error.row_group, error.column, seconds=seconds, path=str(path))
    same = not job.among_many and state == _whole(job.whole, parts)
    return Outcome(same=same, seconds=time.perf_counter() - start, path=str(path))


def _fold(given: list[object], as_rounds: bool, parts: tuple[str, ...] | None) -> rust_agg.State:
    options = {"parts": parts and list(parts), "threads": 1}
    return PLAN.fold(TRACES.empty_table(), given, **options) if as_rounds else PLAN.fold(given, **options)


@cache
def _bytes(path: str) -> bytes:
    return Path(path).read_bytes()


@cache
def _is_rounds(path: str) -> bool:
    return "requested" in pq.read_schema(path).names


@cache
def _whole(path: str, parts: tuple[str, ...] | None) -> rust_agg.State:
    return _fold([path], _is_rounds(path), parts)


if __name__ == "__main__":
    main()
