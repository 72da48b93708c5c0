"""Measures collectors and replay beside transformers' own assisted generation; writes down the ratios.

Rounds are interleaved (A B C … A B C …), every run is a process of its own, and the median counts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import typer

from benchmarks.machine import machine, versions
from benchmarks.trace.child import Case
from benchmarks.trace.plot import draw
from benchmarks.trace.study import ASSISTED, train_if_missing

ROOT = Path(__file__).parents[2]
#: What the results must show, at least.
TARGETS = {"sweep_ratio": 100.0, "collection_ratio": 15.0, "replay_rate": 5e7}
Runs = dict[str, list[dict[str, Any]]]


def main(output: Path = ROOT / "benchmarks/results", rounds: int = 3) -> None:
    train_if_missing()
    load_before = os.getloadavg()[0]
    runs: Runs = {case: [] for case in Case}
    for number in range(rounds):
        for case in Case:
            runs[case].append(_run(case))
            print(f"round {number + 1} of {rounds}: {case}", file=sys.stderr, flush=True)
    report = {
        "machine": {**machine(), "load_before": round(load_before, 2)},
        "versions": versions(ROOT, ("torch", "transformers", "rust_agg", "numpy", "pyarrow")),
        **ratios(runs),
        "rounds": rounds,
        "runs": runs,
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "trace.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    draw(report, output / "trace.png")
    for name, wanted in TARGETS.items():
        missed = "" if report[name] >= wanted else "NOT MET: "
        print(f"{missed}{name}: {report[name]:.3g} (wanted at least {wanted:g})", file=sys.stderr)


def ratios(runs: Runs) -> dict[str, Any]:
    """Return the ratios of medians, and what they are made of.

    `sweep_ratio`: seconds that assisted runs of every setting would take for all continuations, a setting and
    continuation each at the mean of those measured, over seconds of paths, tails and replay.
    `collection_ratio`: tokens per second of paths over those of assisted runs. `replay_rate`: positions ×
    settings per second and core.
    """
    of_assisted, of_batched = (_rounds(runs[case]) for case in (Case.ASSISTED, Case.BATCHED))
    sweep = runs[Case.SWEEP]
    stages = {stage: median(run["seconds"][stage] for run in sweep) for stage in ("paths", "tails", "replay")}
    n_settings, n_continuations = sweep[0]["n_settings"], sweep[0]["n_continuations"]
    swept = of_assisted["seconds_per_continuation"] * n_settings * n_continuations
    paths_rate = sweep[0]["n_tokens"] / stages["paths"]
    rate = runs[Case.RATE]
    whole = median(run["seconds"]["replay"] for run in rate)
    return {
        "n_settings": n_settings,
        "n_continuations": n_continuations,
        "measured": {
            "settings": list(ASSISTED),
            "n_prompts": runs[Case.ASSISTED][0]["n_continuations"],
            "threads": 1,
        },
        "sweep_ratio": round(swept / sum(stages.values()), 1),
        "collection_ratio": round(paths_rate / of_assisted["tokens_per_second"], 1),
        "batched_ratio": round(of_batched["tokens_per_second"] / of_assisted["tokens_per_second"], 1),
        "replay_rate": round(rate[0]["n_positions"] * rate[0]["n_settings"] / whole),
        "seconds": {
            "assisted sweep (scaled)": round(swept, 1),
            **{name: round(s, 2) for name, s in stages.items()},
        },
        "tokens_per_second": {
            "assisted": round(of_assisted["tokens_per_second"]),
            "batched": round(of_batched["tokens_per_second"]),
            "paths": round(paths_rate),
        },
    }


def _rounds(runs: list[dict[str, Any]]) -> dict[str, float]:
    seconds = median(sum(run["seconds"].values()) for run in runs)
    n = runs[0]["n_continuations"] * runs[0]["n_settings"]
    return {
        "seconds_per_continuation": seconds / n,
        "tokens_per_second": runs[0]["n_tokens"] / seconds,
    }


def _run(case: Case) -> dict[str, Any]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trace.child", case],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **one, "TYPER_STANDARD_TRACEBACK": "1"},
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


if __name__ == "__main__":
    typer.run(main)
