"""Fuzz the readers of untrusted files for so many minutes: `python -m tests.fuzz.run MINUTES`.

Targets take turns (`tests/fuzz/targets.py`), then the Rust properties with as many cases as fit. A seed that
fails is printed and added to `seeds.json`.
"""

import json
import os
import random
import subprocess
import sys
import time
import traceback
from collections import Counter

from tests.fuzz.seeds import SEEDS, kept_seeds
from tests.fuzz.targets import ROOT, TARGETS, attempt

#: How much of the time goes to the properties of rust_agg.
_RUST_SHARE = 0.3


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    end = time.monotonic() + 60 * minutes * (1 - _RUST_SHARE)
    tried: Counter[str] = Counter()
    read: Counter[str] = Counter()
    failed: list[tuple[str, int]] = []
    start = random.SystemRandom().randrange(1 << 40)
    spent = dict.fromkeys(TARGETS, 0.0)
    while time.monotonic() < end:
        # Whoever has had the least time is next.
        target = min(spent, key=lambda name: spent[name])
        began, seed = time.monotonic(), start + tried[target]
        try:
            read[target] += attempt(target, seed)
        except Exception:
            traceback.print_exc()
            print(f"fuzz: {target} with seed {seed} failed", flush=True)
            failed.append((target, seed))
        tried[target] += 1
        spent[target] += time.monotonic() - began
    for target in TARGETS:
        print(f"fuzz: {target}: {tried[target]:,} inputs from seed {start}, {read[target]:,} readable")
    n_rust, code = _rust(60 * minutes * _RUST_SHARE)
    print(
        f"fuzz: {minutes:g} minutes, {sum(tried.values()):,} inputs, {n_rust:,} cases a Rust property, "
        f"failures: {len(failed) + (code != 0)}"
    )
    if failed:
        known = kept_seeds() + [[target, seed] for target, seed in failed]
        SEEDS.write_text(json.dumps(known) + "\n", encoding="utf-8")
    raise SystemExit(1 if failed or code else 0)


def _rust(seconds: float) -> tuple[int, int]:
    """Run the properties of damaged pages again and again; return how many cases, and the code."""
    command = ["cargo", "test", "--locked", "--quiet", "--manifest-path", "rust_agg/Cargo.toml"]
    command += ["--test", "pages", "--", "damage"]
    end, cases = time.monotonic() + seconds, 0
    while True:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CASES": "400"}, check=False)
        cases += 400
        if done.returncode or time.monotonic() > end:
            return cases, done.returncode


if __name__ == "__main__":
    main()
