"""One measurement in a process of its own; prints a JSON object.

A trace job is run twice. The second run keeps every shard of the first, so it takes what start-up, loading
and encoding take, and the difference is what collecting takes.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer

import rust_agg
from benchmarks.aggregate.peers.rust_agg_ import PARTS
from benchmarks.trace import positions
from benchmarks.trace.study import ASSISTED, DECODING, LIMIT, PAIR, embedded, prompts_of
from specgap.config import Study
from specgap.layout import Cell, Job, plan_jobs
from specgap.memory import peak_resident
from specgap.prompts import PromptSet
from specgap.replay import replay_states
from specgap.schedules import schedule_of
from specgap.trace.collect import collect_job
from specgap.trace.collect_paths import collect_paths_job
from specgap.trace.collect_tails import collect_tails_job


class Case(StrEnum):
    """What is measured."""

    ASSISTED = "assisted"
    BATCHED = "batched"
    SWEEP = "sweep"
    RATE = "rate"


def assisted(folder: Path) -> dict[str, Any]:
    """Real rounds, one prompt at a time."""
    return _rounds(embedded(folder, collector="assisted", samples=1), LIMIT)


def batched(folder: Path) -> dict[str, Any]:
    """Real rounds, many prompts at once."""
    return _rounds(embedded(folder, collector="batched", samples=1), None)


def sweep(folder: Path) -> dict[str, Any]:
    """Paths and tails of all prompts and samples, and every setting counted from them."""
    study = embedded(folder)
    prompts = prompts_of(study)
    jobs = plan_jobs(study, DECODING, "", prompts.distinct)

    def run(collect: Callable[..., None]) -> float:
        return _collected(
            lambda job: collect(study, PAIR, DECODING, job, prompts.texts, **_where(study)), jobs
        )

    seconds = {"paths": run(collect_paths_job), "tails": run(collect_tails_job)}
    settings = study.replayed_settings_of(DECODING)
    schedules = {setting.name: schedule_of(setting, ()) for setting in settings}
    began = time.perf_counter()
    states = replay_states(
        study, Cell(PAIR, DECODING), schedules, prompts, tails=True, results=folder, threads=1
    )
    seconds["replay"] = time.perf_counter() - began
    return {
        "seconds": seconds,
        "n_settings": len(states),
        "n_continuations": len(prompts.distinct) * study.samples,
        "n_tokens": _rows(folder / "paths"),
    }


def rate(folder: Path) -> dict[str, Any]:
    """Replay alone: many settings over many positions on one core, the parts of the aggregation benchmark."""
    path = folder / "paths.parquet"
    n_positions = positions.write(path)
    schedules = positions.schedules()

    def count() -> None:
        rust_agg.replay(
            [path],
            schedules,
            positions.groups(),
            max_new_tokens=positions.MAX_NEW_TOKENS,
            eos=[],
            grids=positions.grids(),
            parts=list(PARTS),
            threads=1,
        )

    count()
    began = time.perf_counter()
    count()
    seconds = time.perf_counter() - began
    return {"seconds": {"replay": seconds}, "n_settings": len(schedules), "n_positions": n_positions}


def _rounds(study: Study, limit: int | None) -> dict[str, Any]:
    prompts = prompts_of(study, limit)
    seconds = {name: _setting_seconds(study, name, prompts) for name in ASSISTED}
    folder = Path(study.results)
    rounds = pa.concat_tables(pq.read_table(path) for path in sorted((folder / "rounds").rglob("*.parquet")))
    return {
        "seconds": seconds,
        "n_settings": len(ASSISTED),
        "n_continuations": len(prompts.distinct),
        "n_tokens": sum(rounds["emitted"].to_pylist()),
    }


def _setting_seconds(study: Study, setting: str, prompts: PromptSet) -> float:
    cell = Cell(PAIR, DECODING, setting)
    jobs = plan_jobs(study, DECODING, setting, prompts.distinct)
    return _collected(lambda job: collect_job(study, cell, job, prompts.texts, **_where(study)), jobs)


def _collected(collect: Callable[[Job], None], jobs: list[Job]) -> float:
    def run() -> float:
        began = time.perf_counter()
        for job in jobs:
            collect(job)
        return time.perf_counter() - began

    return run() - run()


def _where(study: Study) -> dict[str, Any]:
    return {"results": Path(study.results), "log": lambda line: print(line, file=sys.stderr)}


def _rows(folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))


CASES = {Case.ASSISTED: assisted, Case.BATCHED: batched, Case.SWEEP: sweep, Case.RATE: rate}


def main(case: Case) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        measured = CASES[case](Path(folder))
    print(json.dumps({"case": case, **measured, "peak_rss_mib": round(peak_resident() / 2**20, 1)}))


if __name__ == "__main__":
    typer.run(main)
