"""What a job asks a cluster for: memory and minutes, from how much work it is. Cores and GPUs: the config's.

The numbers are meant to be enough, not close: a job that asks for too little dies, one that asks for too much
waits a little longer. A job that died all the same asks for more on its next attempt. `resources:` in the
config overrides what is estimated for jobs that run models; no result depends on any of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from specgap.config import Study
from specgap.errors import ModelError
from specgap.models.folders import folder_of
from specgap.settings import Model, Setting

Step = Literal["count", "tabulate", "draw", "report"]
#: What Python and torch take before a model is loaded (MB).
BASE_MB = 2000
#: Weights of a hub model that is on no disk here (MB): eight billion 16-bit numbers.
UNKNOWN_WEIGHTS_MB = 16_000
#: Keys and values of one token of one row, both models (MB); a row's logits in every copy (MB).
CACHE_MB, LOGITS_MB = 0.15, 4.0
#: Starting Python, importing torch on a slow shared disk (minutes); reading weights (minutes per 1000 MB).
START_MINUTES, LOAD_MINUTES = 10, 0.5
#: Seconds for one token of one prompt at a time: at least, and per 1000 MB of weights on a GPU and on a CPU.
TOKEN_SECONDS, GPU_SECONDS, CPU_SECONDS = 0.03, 0.01, 0.2
#: Rows that a batch computes in the time of one, on a GPU and on a CPU.
GPU_ROWS, CPU_ROWS = 32, 4
#: Steps after the models: memory (MB), and minutes, few of them: a group asks for those of all its jobs.
STEPS: Mapping[Step, tuple[int, int]] = {
    "count": (2000, 5),
    "tabulate": (2000, 5),
    "draw": (2000, 10),
    "report": (4000, 15),
}
#: Texts (tokens) that one core counts in a minute, far below what is measured (benchmarks/README.md).
COUNTED_PER_MINUTE = 5_000_000


@dataclass(frozen=True)
class Needs:
    """What a job is given: memory in MB, and whole minutes."""

    mem_mb: int
    minutes: int

    def at(self, attempt: int) -> "Needs":
        """Return what the `attempt`-th try asks for: twice as much on the second, three times on the third.

        >>> Needs(mem_mb=2000, minutes=20).at(2)
        Needs(mem_mb=4000, minutes=40)
        """
        return Needs(self.mem_mb * attempt, self.minutes * attempt)


def model_needs(study: Study, pair: str, *, tokens: int, rows: int, length: int, alone: bool) -> Needs:
    """Return what a job that runs a pair needs.

    `tokens` is the number of tokens that its continuations have at most, `rows` how many prompts it has,
    `length` how long a continuation may be; `alone` where prompts are computed one at a time.
    """
    weights = sum(weights_mb(model.source) for model in (study.pairs[pair].target, study.pairs[pair].draft))
    on_gpu = study.resources.gpu > 0
    at_once = 1 if alone else min(study.batch, rows)
    # Without a GPU the cache is in the same memory, and 16-bit weights may be widened as they are read.
    held = weights * (1 if on_gpu else 2) + at_once * (LOGITS_MB + CACHE_MB * length)
    each = TOKEN_SECONDS + weights / 1000 * (GPU_SECONDS if on_gpu else CPU_SECONDS)
    seconds = tokens * each / min(at_once, GPU_ROWS if on_gpu else CPU_ROWS)
    minutes = START_MINUTES + weights / 1000 * LOAD_MINUTES + 2 * seconds / 60
    given = study.resources
    return Needs(given.mem_mb or _up(BASE_MB + held, 500), given.minutes or _up(minutes, 5))


def trace_needs(study: Study, pair: str, decoding: str, *, n_prompts: int, setting: str = "") -> Needs:
    """Return what a job with so many (prompt, sample) needs; one of paths or tails has no setting."""
    length = study.decodings[decoding].max_new_tokens
    chosen: Setting | None = study.setting(setting) if setting else None
    alone = chosen is not None and study.collector_of(chosen) == "assisted"
    return model_needs(study, pair, tokens=n_prompts * length, rows=n_prompts, length=length, alone=alone)


def measure_needs(study: Study, pair: str, *, n_prompts: int) -> Needs:
    """Return what it takes to measure the prompts: one forward each."""
    return model_needs(study, pair, tokens=n_prompts, rows=n_prompts, length=256, alone=False)


def timing_needs(study: Study, pair: str, decoding: str, *, n_prompts: int) -> Needs:
    """Return what it takes to time generation with and without the draft, one prompt at a time."""
    length = study.decodings[decoding].max_new_tokens
    return model_needs(study, pair, tokens=3 * n_prompts * length, rows=1, length=length, alone=True)


def step_needs(step: Step, *, tokens: int = 0) -> Needs:
    """Return what a step after the models needs; `tokens` is how many it counts, once for each setting."""
    mem_mb, minutes = STEPS[step]
    return Needs(mem_mb, _up(minutes + tokens / COUNTED_PER_MINUTE, 5))


@cache
def weights_mb(source: str) -> float:
    """Return the size of a model's weights (MB): of its folder or of the hub's cache, else a large guess."""
    try:
        folder = folder_of(Model(source=source))
    except ModelError:  # a rule has yet to train it: small
        return 0.0
    if folder is None:
        return _cached_mb(source) or UNKNOWN_WEIGHTS_MB
    return _size_mb(folder)


def _cached_mb(source: str) -> float | None:
    """Return the size of a hub model's weights in the cache on this machine (MB), the largest revision's."""
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ModuleNotFoundError:  # Snakemake's own environment need not have it
        return None
    snapshots = Path(HF_HUB_CACHE) / f"models--{source.replace('/', '--')}" / "snapshots"
    sizes = [_size_mb(folder) for folder in snapshots.glob("*")]
    return max(sizes, default=0.0) or None


def _size_mb(folder: Path) -> float:
    for pattern in ("*.safetensors", "*.bin"):
        if found := sum(file.stat().st_size for file in folder.glob(pattern)):
            return found / 1e6
    return 0.0


def _up(value: float, step: int) -> int:
    return int(-(-value // step) * step)
