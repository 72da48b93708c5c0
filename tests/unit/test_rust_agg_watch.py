"""A fold can be watched and stopped, and leaves the interpreter to other threads."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.property.rust_agg_recount import Plan, as_traces, random_traces, rounds_table, traces_table

pytestmark = pytest.mark.slow

PLAN = Plan(
    probability=[0, 0.5, 1],
    difference=[-1, 0, 1],
    joint=[0, 0.5, 1],
    group_names=["a"],
    unit_names=["x"],
    members=[(prompt, 0, 0) for prompt in range(20)],
)
TRACES = as_traces(random_traces(100_000, seed=6))


@pytest.fixture(scope="module")
def long() -> pa.Table:
    """Ten million rows that take no more memory than 100,000."""
    return pa.concat_tables([TRACES] * 100)


INTERRUPTED = """
import json, os, signal, sys, threading, time
import pyarrow as pa, rust_agg

prompt, zero = pa.array([1], pa.uint64()), pa.array([0], pa.uint32())
groups = rust_agg.Groups(pa.table({{"prompt": prompt, "group": zero, "unit": zero}}), ["a"], ["x"])
grids = rust_agg.Grids([0, 1], [-1, 1], [0, 1])
sent = []

def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

traces = {traces}
threading.Timer(0.5, interrupt).start()
try:
    rust_agg.fold(traces, None, groups, grids=grids)
except KeyboardInterrupt:
    print(json.dumps(time.monotonic() - sent[0]))
"""


def seconds_after_ctrl_c(traces: str) -> float:
    """How long a fold of these traces, written as Python, goes on after Ctrl-C."""
    command = [sys.executable, "-c", INTERRUPTED.format(traces=traces)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout, f"not interrupted: {ended.stderr}"
    return float(json.loads(ended.stdout))


def test_ctrl_c_ends_the_reading_of_a_huge_file_for_its_digest(tmp_path: Path) -> None:
    # All zeros and no block on the disk, and still a terabyte to read.
    huge = tmp_path / "huge.parquet"
    huge.touch()
    os.truncate(huge, 1 << 40)
    seconds = seconds_after_ctrl_c(
        f"[rust_agg.Shard({str(huge)!r}, length=1 << 40, xxh3_128='0' * 32, rows=1)]"
    )
    assert seconds < 1


def test_ctrl_c_ends_the_opening_of_many_files(tmp_path: Path) -> None:
    pq.write_table(traces_table([{"prompt": 1}]), tmp_path / "small.parquet")
    assert seconds_after_ctrl_c(f"[{str(tmp_path / 'small.parquet')!r}] * 300_000") < 1


def test_ctrl_c_ends_the_decoding_of_large_row_groups(tmp_path: Path, long: pa.Table) -> None:
    path = tmp_path / "large.parquet"
    pq.write_table(long, path, row_group_size=1 << 30, compression="none")
    assert seconds_after_ctrl_c(f"[{str(path)!r}] * 100") < 1


@pytest.mark.parametrize("threads", [1, 2])
def test_other_python_threads_go_on_during_a_fold(long: pa.Table, threads: int) -> None:
    ticks, ended = [0], threading.Event()

    def tick() -> None:
        while not ended.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    other = threading.Thread(target=tick)
    other.start()
    before, started = ticks[0], time.monotonic()
    PLAN.fold(long, threads=threads)
    seconds, during = time.monotonic() - started, ticks[0] - before
    ended.set()
    other.join()
    print(f"{during} ticks in {seconds:.2f} s")
    # With the lock held all the while there would be one at most; 20 a second leave room for a busy machine.
    assert during > 1 + 20 * seconds


def test_folds_in_python_threads_run_at_the_same_time_and_do_not_mix() -> None:
    found: dict[int, bytes] = {}

    def fold(at: int) -> None:
        found[at] = PLAN.fold(TRACES.slice(0, 10_000 * (at + 1))).to_bytes()

    threads = [threading.Thread(target=fold, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[at] for at in range(4)] == [
        PLAN.fold(TRACES.slice(0, 10_000 * (at + 1))).to_bytes() for at in range(4)
    ]


def test_progress_never_falls_and_ends_with_all_rows(long: pa.Table) -> None:
    calls: list[tuple[int, int | None]] = []
    callers = set()

    def progress(done: int, whole: int | None) -> None:
        calls.append((done, whole))
        callers.add(threading.get_ident())

    started = time.monotonic()
    PLAN.fold(long, rounds_table([{"prompt": 1}]), threads=1, progress=progress)
    seconds = time.monotonic() - started
    assert calls == sorted(calls)
    assert {whole for _, whole in calls} == {10_000_001}
    assert calls[-1] == (10_000_001, 10_000_001)
    assert callers == {threading.get_ident()}
    assert len(calls) <= 2 + seconds / 0.3


def test_progress_of_a_stream_knows_the_whole_only_at_the_end() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for batch in TRACES.to_batches(max_chunksize=10_000):
            time.sleep(0.04)
            yield batch

    calls: list[tuple[int, int | None]] = []
    stream = pa.RecordBatchReader.from_batches(TRACES.schema, batches())
    PLAN.fold(stream, progress=lambda *call: calls.append(call))
    assert calls[-1] == (100_000, 100_000)
    assert len(calls) > 1
    assert {whole for _, whole in calls[:-1]} == {None}


def test_progress_of_nothing_is_nothing_of_nothing() -> None:
    calls: list[tuple[int, int | None]] = []
    PLAN.fold([], progress=lambda *call: calls.append(call))
    assert calls == [(0, 0)]


def test_an_exception_in_progress_ends_a_long_fold_at_once(long: pa.Table) -> None:
    def progress(done: int, whole: int | None) -> None:
        raise LookupError(f"{done} of {whole}")

    started = time.monotonic()
    with pytest.raises(LookupError, match=r"\d+ of 100000000"):
        PLAN.fold(pa.concat_tables([long] * 10), threads=1, progress=progress)
    assert time.monotonic() - started < 1
