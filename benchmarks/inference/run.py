"""Times inference on large layouts: a cell's tables, the test of all gaps beside SciPy, 100,050 prompts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import typer

from benchmarks.inference.work import CASES
from benchmarks.machine import machine, versions

ROOT = Path(__file__).parents[2]
TABLES = "tables"
#: What the results must show, at most: of all tables together, and of each part for 100,050 prompts.
SECONDS, MIB, HUGE_SECONDS = 20.0, 1024.0, 60.0


def main(output: Path = ROOT / "benchmarks/results", rounds: int = 3) -> None:
    load_before = round(os.getloadavg()[0], 2)
    commands = {TABLES: ["tests.support.large_study"]}
    commands |= {name: ["benchmarks.inference.work", name] for name in CASES}
    # Round by round, so that what slows the machine for a while slows all.
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(timed(*command))
    found = {
        name: {key: round(median(run[key] for run in of), 2) for key in ("seconds", "peak_mib")}
        for name, of in runs.items()
    }
    ratio = found["scipy"]["seconds"] / found["gaps"]["seconds"]
    report = {
        "machine": {**machine(), "load_before": load_before},
        "versions": versions(ROOT, ("numpy", "scipy", "statsmodels", "pandas")),
        "rounds": rounds,
        "scipy_over_gaps": round(ratio, 2),
        "median": found,
        "seconds": {name: [round(run["seconds"], 2) for run in of] for name, of in runs.items()},
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "inference.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, one in found.items():
        at_most = HUGE_SECONDS if name.startswith("huge") else SECONDS
        met = one["seconds"] <= at_most and one["peak_mib"] <= MIB
        print(
            f"{'' if met else 'NOT MET: '}{name}: {one['seconds']:.1f} s (wanted at most {at_most:g}), "
            f"{one['peak_mib']:.0f} MiB (wanted at most {MIB:g})",
            file=sys.stderr,
        )
    print(f"SciPy takes {ratio:.2f} of the time of gaps for a test of one statistic", file=sys.stderr)


def timed(*command: str) -> dict[str, Any]:
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | one_thread,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    typer.run(main)
