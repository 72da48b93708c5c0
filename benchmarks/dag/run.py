"""Measures how long a large study's DAG takes to build, its dry run, and a run of the tests' tiny one."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import typer

from benchmarks.dag.study import prepare
from benchmarks.machine import machine, versions
from tests.support.tiny_study import prepare_study

ROOT = Path(__file__).parents[2]
#: What the results must show, at most: Snakemake's start until the DAG stands, memory of the whole dry run.
TARGETS = {"dag_seconds": 60.0, "peak_rss_mib": 2048.0}
#: What the whole chain of tests/config/tiny.yaml may take, on two cores.
TINY_SECONDS = 30.0


def main(output: Path = ROOT / "benchmarks/results", rounds: int = 3) -> None:
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        sandbox = prepare(Path(folder) / "study")
        dry = ("--dry-run", "--quiet", "rules", "--configfile", "study.yaml", "--", "figures")
        runs = [timed(sandbox.folder, *dry) for _ in range(rounds)]
        tiny = [
            timed(prepare_study(Path(folder) / f"tiny-{at}").folder, "--configfile", "study.yaml")
            for at in range(rounds)
        ]
    report = {
        "machine": {**machine(), "load_before": round(load_before, 2)},
        "versions": versions(ROOT, ("snakemake",)),
        "jobs": runs[0]["jobs"],
        **{name: median(run[name] for run in runs) for name in (*TARGETS, "seconds")},
        "cpu_seconds": median(run["cpu_seconds"] for run in runs),
        "rounds": rounds,
        "runs": runs,
        "tiny": {
            "seconds": median(run["seconds"] for run in tiny),
            "cpu_seconds": median(run["cpu_seconds"] for run in tiny),
            "jobs": tiny[0]["jobs"],
            "runs": tiny,
        },
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "dag.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, wanted in TARGETS.items():
        say(name, report[name], wanted)
    say("seconds of the tiny study", report["tiny"]["seconds"], TINY_SECONDS)


def say(name: str, measured: float, wanted: float) -> None:
    missed = "" if measured <= wanted else "NOT MET: "
    print(f"{missed}{name}: {measured:.1f} (wanted at most {wanted:g})", file=sys.stderr)


def timed(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run Snakemake as a child, from its start to its end; return seconds, memory and the number of jobs."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    began = time.perf_counter()
    child = subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    lines, dag_seconds = [], None
    for line in child.stdout:
        # Said once the DAG stands, before any job is printed or run.
        if dag_seconds is None and line.startswith("Job stats:"):
            dag_seconds = time.perf_counter() - began
        lines.append(line)
    _, status, used = os.wait4(child.pid, 0)
    seconds, said = time.perf_counter() - began, "".join(lines)
    assert os.waitstatus_to_exitcode(status) == 0, said[-3000:]
    total = re.search(r"^total +(\d+)$", said, flags=re.MULTILINE)
    assert total, said[-3000:]
    assert dag_seconds is not None
    return {
        "dag_seconds": round(dag_seconds, 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_rss_mib": round(used.ru_maxrss / 1024, 1),
        "jobs": int(total[1]),
    }


if __name__ == "__main__":
    typer.run(main)
