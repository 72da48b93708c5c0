"""Markov pairs traced and aggregated by the project's own chain, beside what theory expects of them."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import rust_agg
from specgap.aggregate import aggregate
from specgap.config import parse
from specgap.layout import Cell, done_file, plan_jobs
from specgap.prompts import load_prompts
from specgap.trace import collect_job, verified_files
from tests.support.markov import MarkovPair, Matrix
from tests.support.markov_theory import COUNTERS, POSITIONS, Theory

Array = NDArray[np.float64]


def warped(matrix: Matrix, temperature: float, top_k: int) -> Matrix:
    """Return each row after temperature and top-k, in this order."""
    powered = matrix ** (1 / temperature)
    powered[powered < np.sort(powered, axis=1)[:, [-top_k]]] = 0
    return np.asarray(powered / powered.sum(axis=1, keepdims=True))


#: Six states; the last one ends a text. In row 2 greedy drafting proposes state 0, where p > q; state 3 wins.
EOS = 5
TARGET = np.array(
    [
        [0.10, 0.40, 0.20, 0.15, 0.11, 0.04],
        [0.30, 0.05, 0.35, 0.10, 0.16, 0.04],
        [0.32, 0.12, 0.10, 0.36, 0.06, 0.04],
        [0.45, 0.10, 0.15, 0.05, 0.22, 0.03],
        [0.20, 0.20, 0.15, 0.30, 0.10, 0.05],
        [0.20, 0.20, 0.20, 0.20, 0.20, 0.00],
    ]
)
DRAFT = np.array(
    [
        [0.20, 0.29, 0.26, 0.10, 0.12, 0.03],
        [0.10, 0.10, 0.55, 0.15, 0.05, 0.05],
        [0.30, 0.20, 0.10, 0.20, 0.15, 0.05],
        [0.40, 0.05, 0.35, 0.05, 0.10, 0.05],
        [0.05, 0.45, 0.10, 0.20, 0.18, 0.02],
        [0.20, 0.20, 0.20, 0.20, 0.20, 0.00],
    ]
)
#: A draft that is surer than the target, so that warping it twice shows.
SURER = (warped(TARGET, 0.5, 6) + DRAFT) / 2
#: Equal rows: every token is accepted with the same probability, as the literature's closed forms assume.
IID_TARGET = np.tile([0.35, 0.25, 0.20, 0.15, 0.05], (5, 1))
IID_DRAFT = np.tile([0.15, 0.30, 0.10, 0.25, 0.20], (5, 1))
ALPHA = 0.70


@dataclass(frozen=True)
class Counted:
    """One cell's state, with the law of what it counts."""

    law: Theory
    starts: dict[int, int]  # prompt id -> the prompt's last state
    samples: int
    state: rust_agg.State

    @cached_property
    def totals(self) -> dict[str, float]:
        """The counters of `markov_theory` over the whole run, as `rust_agg` has them."""
        sums = _frame(self.state.prompts()).drop(columns=["prompt", "sample"]).sum()
        named = {
            "rounds": sums.n_rounds,
            "cut": sums.n_rounds_cut_max_length,
            "drafted": sums.n_drafted,
            "accepted": sums.n_accepted,
            "rejected": sums.n_rejected,
            "discarded": sums.n_discarded,
            "emitted": sums.n_emitted,
            "overlap": sums.sum_overlap,
        }
        positions = (
            _frame(self.state.prompt_positions()).groupby("position")[["n_judged", "n_accepted"]].sum()
        )
        for j in range(1, POSITIONS + 1):
            judged, accepted = positions.loc[j] if j in positions.index else (0, 0)
            named |= {f"judged_{j}": judged, f"accepted_{j}": accepted}
        return {name: float(total) for name, total in named.items()}

    def rate(self, part: str, *whole: str) -> float:
        """Return a counter over a sum of counters."""
        return self.totals[part] / sum(self.totals[counter] for counter in whole)


@dataclass(frozen=True)
class Run(Counted):
    """The same with the records."""

    traces: pd.DataFrame
    rounds: pd.DataFrame

    @property
    def judged(self) -> pd.DataFrame:
        """The rows of `traces` that were judged."""
        return self.traces[self.traces.verdict != 2]

    @cached_property
    def emitted(self) -> dict[tuple[int, int], list[int]]:
        """The texts, by prompt and sample, rebuilt from `traces` and `rounds` alone."""
        kept = self.traces[self.traces.verdict == 1]
        by_round = {key: rows.token.tolist() for key, rows in kept.groupby(["prompt", "sample", "round"])}
        texts: dict[tuple[int, int], list[int]] = {}
        for row in self.rounds.itertuples():
            text = texts.setdefault((row.prompt, row.sample), [])
            text += by_round.get((row.prompt, row.sample, row.round), [])
            text += [] if pd.isna(row.next_token) else [int(row.next_token)]
        return texts

    @cached_property
    def contexts(self) -> NDArray[np.int64]:
        """The state behind which each row of `traces` was drafted."""
        begins = {
            (prompt, sample, offset): token
            for (prompt, sample), text in self.emitted.items()
            for offset, token in enumerate([self.starts[prompt], *text])
        }
        keys = zip(self.traces["prompt"], self.traces["sample"], self.traces["offset"], strict=True)
        before = self.traces.token.shift(fill_value=0).to_numpy(np.int64)
        first = self.traces.position.to_numpy() == 1
        return np.array([begins[key] if new else x for key, new, x in zip(keys, first, before, strict=True)])

    def calibration(self) -> pd.DataFrame:
        """The state's calibration bins that hold anything."""
        bins = _frame(self.state.calibration())
        return bins[bins.n_judged > 0]


def trace(
    folder: Path,
    pair: MarkovPair,
    law: Theory,
    *,
    setting: dict[str, Any],
    decoding: dict[str, Any],
    prompts: Sequence[tuple[int, ...]],
    samples: int,
) -> Run:
    """Trace every prompt (a tuple of states) `samples` times through the whole chain, and aggregate."""
    texts = {pair.text(*states): states[-1] for states in prompts}
    _write_prompts(folder / "prompts.csv", list(texts))
    study = parse(
        {
            "results": str(folder / "results"),
            "samples": samples,
            "collector": "assisted",
            "device": "cpu",
            "prompts": str(folder / "prompts.csv"),
            "pairs": {"markov": {"target": str(pair.target), "draft": str(pair.draft)}},
            "decodings": {"run": {"max_new_tokens": law.max_new_tokens, **decoding}},
            "settings": [setting],
        },
        source="the test",
    )
    loaded = load_prompts(study)
    results, cell = Path(study.results), Cell("markov", "run", study.settings[0].name)
    jobs = plan_jobs(study, cell.decoding, cell.setting, loaded.distinct)
    for job in jobs:
        collect_job(study, cell, job, loaded.texts, results=results, log=lambda _: None)
    done = [done_file(results, cell, job.name) for job in jobs]
    files = {kind: verified_files(results, done, kind) for kind in ("traces", "rounds")}
    ratio = study.over_confident_ratio
    state = aggregate(files["traces"], files["rounds"], loaded, study.bins, ratio, threads=1)
    starts = {prompt: texts[text] for prompt, text in loaded.texts.items()}
    traces, rounds = (_sorted(pq.read_table(files[kind])) for kind in ("traces", "rounds"))
    return Run(law, starts, study.samples_of("run"), state, traces, rounds)


def _write_prompts(path: Path, texts: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "group"])
        writer.writerows((text, f"begins with {text.split()[0]}") for text in texts)


def _sorted(table: pa.Table) -> pd.DataFrame:
    keys = [name for name in ("prompt", "sample", "round", "position") if name in table.column_names]
    return table.to_pandas().sort_values(keys, ignore_index=True)


def _frame(table: Any) -> pd.DataFrame:
    return pa.table(table).to_pandas()


@dataclass(frozen=True)
class Expected:
    """Mean and covariance of the counters over all sequences of a run."""

    mean: Array
    covariance: Array

    @classmethod
    def of(cls, law: Theory, run: Counted) -> "Expected":
        """Add up the moments of the run's independent sequences under a law."""
        starts = Counter(run.starts.values())
        mean = np.sum([n * law.mean(start) for start, n in starts.items()], axis=0) * run.samples
        covariance = np.sum([n * law.covariance(start) for start, n in starts.items()], axis=0)
        return cls(mean, covariance * run.samples)

    def total(self, counter: str) -> tuple[float, float]:
        """Return a counter's mean and standard error."""
        at = COUNTERS.index(counter)
        return float(self.mean[at]), float(np.sqrt(max(self.covariance[at, at], 0)))

    def rate(self, part: str, *whole: str) -> tuple[float, float]:
        """Return E part / E whole (a sum of counters), and the standard error of part / whole, linearised."""
        size = sum(self.total(counter)[0] for counter in whole)
        value = self.total(part)[0] / size
        weights = np.zeros(len(COUNTERS))
        weights[COUNTERS.index(part)] += 1
        for counter in whole:
            weights[COUNTERS.index(counter)] -= value
        variance = max(float(weights @ self.covariance @ weights), 0)
        return value, float(np.sqrt(variance) / size)
