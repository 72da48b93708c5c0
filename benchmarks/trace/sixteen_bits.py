"""How many texts and verdicts change with the batch in 16-bit arithmetic, where a batch changes last digits.

Paths of the embedded pair in bfloat16, on some prompts of each group, at several batches. Runs are compared
up to the first token in which a continuation differs: after it they are other texts.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks.machine import machine, versions
from benchmarks.trace.study import LIMIT, PAIR, embedded, prompts_of
from specgap.layout import plan_jobs
from specgap.trace.collect_paths import collect_paths_job
from specgap.trace.progress import say

ROOT = Path(__file__).parents[2]
BATCHES = (1, 7, 256)
DTYPES = ("bfloat16", "float32")
_COMPARED = ("token", "proposal", "fate")


def main(output: Path = ROOT / "benchmarks/results/sixteen_bits.json") -> None:
    rows = []
    for dtype in DTYPES:
        for decoding in ("sampled", "greedy"):
            reference, *others = (_paths(dtype, decoding, batch) for batch in reversed(BATCHES))
            for batch, paths in zip(reversed(BATCHES[:-1]), others, strict=True):
                about = {"dtype": dtype, "decoding": decoding, "batch": batch, "against": BATCHES[-1]}
                rows.append({**about, **compared(reference, paths)})
                print(rows[-1], file=sys.stderr, flush=True)
    report = {"machine": machine(), "versions": versions(ROOT, ("torch", "transformers")), "rows": rows}
    output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def compared(one: pa.Table, other: pa.Table) -> dict[str, int]:
    """Return how many continuations and verdicts of `one` are others in `other`, and of how many."""
    differ, verdicts, shared = 0, 0, 0
    mine, theirs = _by_continuation(one), _by_continuation(other)
    for key, rows in mine.items():
        others = theirs[key]
        n = min(len(rows), len(others))
        same = (rows[:n] == others[:n]).all(axis=1)
        text = rows[:n, 0] == others[:n, 0]
        until = int(np.argmin(text)) if not text.all() else n
        differ += not (same.all() and len(rows) == len(others))
        verdicts += int((rows[:until, 2] != others[:until, 2]).sum())
        shared += until
    return {
        "n_continuations": len(mine),
        "n_continuations_differ": differ,
        "n_verdicts": shared,
        "n_verdicts_differ": verdicts,
    }


def _by_continuation(table: pa.Table) -> dict[tuple[int, int], Any]:
    keys = np.stack([table[name].to_numpy() for name in ("prompt", "sample")], axis=1)
    values = np.stack([table[name].to_numpy().astype(np.int64) for name in _COMPARED], axis=1)
    starts = np.flatnonzero(table["offset"].to_numpy() == 0)
    ends = [*starts[1:], len(values)]
    return {
        (int(keys[start, 0]), int(keys[start, 1])): values[start:end]
        for start, end in zip(starts, ends, strict=True)
    }


def _paths(dtype: str, decoding: str, batch: int) -> pa.Table:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = embedded(folder, batch=batch, samples=1)
        pair = study.pairs[PAIR].model_dump(mode="json")
        pairs = {PAIR: {**pair, **{role: {**pair[role], "dtype": dtype} for role in ("target", "draft")}}}
        study = embedded(folder, batch=batch, samples=1, pairs=pairs)
        prompts = prompts_of(study, LIMIT)
        for job in plan_jobs(study, decoding, "", prompts.distinct):
            collect_paths_job(study, PAIR, decoding, job, prompts.texts, results=folder, log=say)
        return pa.concat_tables(pq.read_table(file) for file in sorted(folder.rglob("paths/**/*.parquet")))


if __name__ == "__main__":
    typer.run(main)
