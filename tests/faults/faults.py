"""The faults that are tried, in the order of docs/reliability.md, and what a test counts of each."""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tests.support.size import SIZE_NAME

ROOT = Path(__file__).parents[2]
#: Where the tests leave what they counted; `python -m tests.faults.table` makes the docs' table of it.
COUNTED = ROOT / ".faults.json"

#: Fault and how it is injected, by the name that the tests know it by.
FAULTS: dict[str, tuple[str, str]] = {
    "kill-traces": ("SIGKILL while tracing (`assisted`)", "at random moments, again and again"),
    "kill-paths": ("SIGKILL while paths are collected", "at random moments, again and again"),
    "kill-aggregate": ("SIGKILL while rows are counted", "at random moments, again and again"),
    "kill-figures": ("SIGKILL while figures are drawn", "at random moments, again and again"),
    "term": ("SIGTERM in those four steps", "at random moments, again and again"),
    "kill-change": ("SIGKILL in every step", "before each change that it makes to the results folder"),
    "disk-full": ("disk full, in every writing step", "results on a tmpfs that takes 0, 1, 2, … more pages"),
    "read-only": ("results folder turned read-only, in every writing step", "tmpfs remounted read-only"),
    "memory": ("out of memory in the collectors", "limit on the address space (RLIMIT_AS), from little up"),
    "device-memory": (
        "out of memory on the device",
        "some forwards of a model raise `torch.OutOfMemoryError`, or all",
    ),
    "shard-truncated": ("shard cut short", "its last bytes taken away, each kind of shard"),
    "shard-flipped": ("shard with a flipped bit", "one bit at a random place, each kind of shard"),
    "shard-empty": ("empty shard", "the file has 0 bytes, each kind of shard"),
    "shard-foreign": ("shard of another study", "with its own sidecar, each kind of shard"),
    "shard-missing": ("missing shard", "the file is deleted, each kind of shard"),
    "sidecar": ("sidecar or done file damaged", "cut, emptied, of other JSON, nested too deeply, too large"),
    "two-runs": ("two runs of Snakemake in one folder", "a second `snakemake` while the first is running"),
    "model-between": ("model folder changes between two jobs", "the draft's weights are replaced"),
    "model-within": ("model folder changes while a job runs", "replaced before a change of the job's files"),
    "prompts-edited": ("prompts edited between two runs", "one text is replaced by another"),
    "network-cached": ("network gone, model in the cache", "jobs in a network namespace without a route"),
    "network-missing": (
        "network gone, model not in the cache",
        "jobs in a network namespace without a route",
    ),
}


@dataclass
class Count:
    """What became of one fault. `lost` are finished files that were gone, damaged or computed again."""

    injected: int = 0
    equal: int = 0  # ended, possibly after another run, with the bytes of the undisturbed run
    sentences: int = 0  # ended with one sentence and exit code 2
    kept: int = 0  # finished files that were met and kept
    lost: int = 0
    partial: int = 0  # files under a final name that are not whole


@contextmanager
def counted(name: str) -> Iterator[Count]:
    """Yield a count of a fault; add it to those of `COUNTED` when the block ends well."""
    assert name in FAULTS, name
    count = Count()
    yield count
    with COUNTED.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known: dict[str, dict[str, Any]] = json.loads(COUNTED.read_text()) if COUNTED.exists() else {}
        before = known.get(name, {})
        # Tests with parameters add up; a new session (`run`) begins anew.
        if before.get("run") != _run():
            before = {}
        known[name] = {key: value + before.get(key, 0) for key, value in asdict(count).items()}
        known[name] |= {"run": _run(), "size": SIZE_NAME, "tree": _tree()}
        COUNTED.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def _tree() -> str:
    """Return today's date and the commit that is tried."""
    command = ("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return f"{date.today():%Y-%m-%d}, commit {commit or 'unknown'}"


def _run() -> str:
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
