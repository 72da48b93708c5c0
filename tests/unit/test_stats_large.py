"""15,000 prompts and 9,999 permuted worlds: the same tables on any number of threads, in little memory.

How long it takes is in benchmarks/results/inference.json.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from specgap.tables.names import inference_table_names
from tests.support.large_study import PERMUTATIONS
from tests.support.sandbox import ROOT

pytestmark = pytest.mark.landing

LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "RAYON")


def study(threads: int) -> dict[str, Any]:
    environment = os.environ | dict.fromkeys((f"{name}_NUM_THREADS" for name in LIBRARIES), str(threads))
    command = [sys.executable, "-m", "tests.support.large_study"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"{threads} threads: {found['seconds']:.1f} s, {found['peak_mib']:.0f} MiB, wanted at most 1024")
    return found


def test_tables_are_the_same_bytes_on_any_number_of_threads_in_less_than_a_gibibyte() -> None:
    one, four = study(1), study(4)
    assert PERMUTATIONS == 9_999
    assert list(one["tables"]) == inference_table_names(["category"])
    assert one["tables"] == four["tables"]
    assert max(one["peak_mib"], four["peak_mib"]) < 1024
