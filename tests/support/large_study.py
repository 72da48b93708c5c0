"""The layout inference must be quick for: 10 groups of 100 terms in 15 templates, 9,999 permuted worlds.

`python -m tests.support.large_study` writes its tables of a cell and prints a line of JSON: digests, the
seconds of it, and the most memory (MiB) that the process held.
"""

import hashlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from specgap.blocks import Statistics
from specgap.simulate import World
from specgap.tables.from_state import cell_counts
from specgap.tables.write_inference import Compared, write_inference_tables

LARGE = World(terms=tuple((f"group {k}", 100) for k in range(10)), templates=15, term_sd=0.2)
PERMUTATIONS = 9_999


def main() -> None:
    counts = cell_counts(LARGE.state(1))
    measures = {row.prompt: (5 + at % 7, -3 - at % 11 / 7) for at, row in enumerate(LARGE.prompts.rows)}
    study = Compared(LARGE.prompts, Statistics(permutations=PERMUTATIONS), 1, measures)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        written = write_inference_tables(Path(folder), counts=counts, study=study, mode="sampled")
        seconds = time.perf_counter() - began
        digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
    print(json.dumps({"tables": digests, "seconds": seconds, "peak_mib": peak_mib()}))


def peak_mib() -> float:
    """Return the most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not what the process held that this one was forked from, as `getrusage` has it.
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 2**10
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
