"""`schedule_state.csv`: how γ moves from round to round under a heuristic schedule."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of

COLUMNS = (
    "setting",
    "series",
    "prompt",
    "sample",
    "round",
    "n",
    "requested",
    "requested_mean",
    "requested_p05",
    "requested_p25",
    "requested_median",
    "requested_p75",
    "requested_p95",
    "mode",
    "pilot",
    "note",
)
#: `series` of the rows that describe all sequences; those of one sequence have `EXAMPLE`.
EVERY, EXAMPLE = "all", "example"
N_EXAMPLES = 6
_LEVELS = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
_BATCH = 1 << 20
_ROUND_BITS = 16


def schedule_state(
    round_files: Sequence[Path], *, setting: str, mode: Mode, pilot: int | None
) -> pd.DataFrame:
    """Return γ as the schedule asked for it (`requested`), whether or not the length limit cut it.

    `round_files` hold the setting's rounds. First one row per round (from 0) over all sequences, a sequence
    being one sample of one prompt: their number, mean and quantiles that are values of γ themselves. They
    end with their text, so later rounds are those of texts that took more of them. Then each round of sample
    0 of the `N_EXAMPLES` prompts with the least ids: `prompt` is the id, as text.
    """
    counted: Counter[int] = Counter()
    least = np.empty(0, dtype=np.uint64)
    for prompt, _, round_, requested in _batches(round_files):
        keys, counts = np.unique(
            round_.astype(np.int64) << _ROUND_BITS | requested.astype(np.int64), return_counts=True
        )
        counted.update(dict(zip(keys.tolist(), counts.tolist(), strict=True)))
        least = np.unique(np.concatenate([least, prompt]))[:N_EXAMPLES]
    rows = [*_distribution(counted), *_examples(round_files, least)]
    about = {"setting": setting, "mode": mode, "pilot": pilot, "note": ""}
    return frame_of([about | row for row in rows], COLUMNS)


def _batches(files: Sequence[Path]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    names = ["prompt", "sample", "round", "requested"]
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=names, use_threads=False):
                prompt, sample, round_, requested = (batch.column(name).to_numpy() for name in names)
                yield prompt, sample, round_, requested


def _distribution(counted: Counter[int]) -> Iterator[Row]:
    by_round: dict[int, dict[int, int]] = {}
    for key in sorted(counted):
        round_, requested = key >> _ROUND_BITS, key & ((1 << _ROUND_BITS) - 1)
        by_round.setdefault(round_, {})[requested] = counted[key]
    for round_, counts in by_round.items():
        n = sum(counts.values())
        yield {
            "series": EVERY,
            "prompt": "",
            "round": round_,
            "n": n,
            "requested_mean": sum(value * count for value, count in counts.items()) / n,
            **{f"requested_{name}": _quantile(counts, n, level) for name, level in _LEVELS.items()},
        }


def _quantile(counts: dict[int, int], n: int, level: float) -> int:
    """Return the least value that at least `level` of all values do not exceed; `counts` are in its order."""
    values = np.array(list(counts))
    reached = np.cumsum(list(counts.values()))
    return int(values[np.searchsorted(reached, level * n)])


def _examples(files: Sequence[Path], prompts: np.ndarray) -> list[Row]:
    rows = []
    for prompt, sample, round_, requested in _batches(files):
        keep = np.isin(prompt, prompts) & (sample == 0)
        values = (column[keep].tolist() for column in (prompt, round_, requested))
        rows += list(zip(*values, strict=True))
    return [
        {"series": EXAMPLE, "prompt": str(prompt), "sample": 0, "round": round_, "requested": requested}
        for prompt, round_, requested in sorted(rows)
    ]
