"""What a study will cost: the real collectors timed on two prompts per group, and scaled to all of them.

Rows that a batch computes at once cost little more than one, so the two prompts of each group are repeated
until they fill a batch as the study will; the repeats have random draws of their own. Real rounds of the
`assisted` collector run one prompt at a time and are scaled as they are.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from specgap.config import Study
from specgap.layout import Cell, Job, Shard, path_cells, plan_jobs, stored_cells
from specgap.prompts import PromptSet, limited
from specgap.settings import Setting

#: Prompts of each group that are timed.
PER_GROUP = 2


@dataclass(frozen=True)
class Part:
    """One kind of job of a pair and decoding: how many there are, and what all of them take and leave."""

    name: str
    jobs: int
    seconds: float  # without starting up
    bytes: float


@dataclass(frozen=True)
class Estimate:
    """What one pair and decoding will cost."""

    pair: str
    decoding: str
    device: str
    start_up: float  # seconds before a job's first token: libraries and models
    model_parts: tuple[Part, ...]
    counting_parts: tuple[Part, ...]
    memory: float  # bytes at the peak: of the GPU where there is one, else of the process

    @property
    def model_jobs(self) -> int:
        """Number of jobs that load the models."""
        return sum(part.jobs for part in self.model_parts)

    @property
    def device_hours(self) -> float:
        """Hours of the device, loading included."""
        work = sum(part.seconds for part in self.model_parts)
        return (work + self.model_jobs * self.start_up) / 3600

    @property
    def disk(self) -> float:
        """Bytes of all shards."""
        return sum(part.bytes for part in (*self.model_parts, *self.counting_parts))


def estimate(study: Study, prompts: PromptSet) -> Iterator[Estimate]:
    """Yield the cost of each pair and decoding, each measured in a process of its own."""
    cells = dict.fromkeys(
        Cell(cell.pair, cell.decoding) for cell in (*path_cells(study), *stored_cells(study))
    )
    for cell in cells:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield pool.submit(measure, study, prompts, cell, time.time()).result()


def measure(study: Study, prompts: PromptSet, cell: Cell, began: float) -> Estimate:
    """Time each kind of job of a pair and decoding; `began` is when the process was started (`time.time`)."""
    from specgap.models import ready_pair

    pair = study.pairs[cell.pair]

    def load() -> str:
        loaded = ready_pair(pair, device=study.device, gpu_given=study.resources.gpu > 0)
        return str(loaded.facts["device_name"])

    device = load()
    start_up = time.time() - began
    warm = _seconds(load)
    with tempfile.TemporaryDirectory(prefix="specgap-estimate-") as folder:
        timed = _Timed(_as_pilot(study, Path(folder)), study, prompts, cell, warm)
        models, counting = timed.parts()
    return Estimate(cell.pair, cell.decoding, device, start_up, models, counting, _peak_memory(device))


@dataclass(frozen=True)
class _Timed:
    """A pilot of a pair and decoding, in a folder of its own."""

    pilot: Study
    study: Study
    prompts: PromptSet
    cell: Cell
    warm: float  # seconds to load the models again

    def parts(self) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        decoding = self.cell.decoding
        models: list[Part] = []
        counting: list[Part] = []
        if self.study.replayed_settings_of(decoding):
            models += self._replay_parts()
        for setting in self.study.stored_settings_of(decoding):
            replayed = self.study.collector_of(setting) == "replay"
            (counting if replayed else models).append(self._stored_part(setting, replayed))
        if self.study.swept_settings_of(decoding):
            counting.append(Part("replay", 1, 0.0, 0.0))
        return tuple(models), tuple(counting)

    def _replay_parts(self) -> Iterator[Part]:
        from specgap.trace.collect_paths import collect_paths_job
        from specgap.trace.collect_tails import collect_tails_job

        known = self._filled(self.prompts)
        job, times = _one_job(known), self._times(self.prompts, known)
        steps = {"paths": collect_paths_job}
        if self.study.tailed_settings_of(self.cell.decoding, full=False):
            steps["tails"] = collect_tails_job
        for kind, collect in steps.items():

            def run(collect: Callable[..., None] = collect) -> None:
                names = (self.cell.pair, self.cell.decoding)
                collect(self.pilot, *names, job, known.texts, results=self._results, log=_silent)

            seconds = max(0.0, _seconds(run) - self.warm)
            n_jobs = len(plan_jobs(self.study, self.cell.decoding, "", self.prompts.distinct))
            yield Part(kind, n_jobs, seconds * times, self._bytes([kind], "") * times)

    def _stored_part(self, setting: Setting, replayed: bool) -> Part:
        from specgap.replay import replay_job
        from specgap.trace.collect import collect_job

        traced = limited(self.prompts, setting.limit)
        alone = self.study.collector_of(setting) == "assisted"
        known = _renumbered(limited(traced, PER_GROUP)) if alone else self._filled(traced)
        cell, job, results = replace(self.cell, setting=setting.name), _one_job(known), self._results

        def run() -> None:
            if replayed:
                replay_job(self.pilot, cell, job, known, results=results)
            else:
                collect_job(self.pilot, cell, job, known.texts, results=results, log=_silent)

        seconds = max(0.0, _seconds(run) - (0.0 if replayed else self.warm))
        n_jobs = len(plan_jobs(self.study, cell.decoding, cell.setting, traced.distinct))
        times = self._times(traced, known)
        size = self._bytes(["traces", "rounds", "timings"], setting.name)
        return Part(setting.name, n_jobs, seconds * times, size * times)

    @property
    def _results(self) -> Path:
        return Path(self.pilot.results)

    def _filled(self, prompts: PromptSet) -> PromptSet:
        """Return a shard of a pilot with as many rows as the study computes at once."""
        in_shard = -(-len(prompts.distinct) // self.study.shards.number)
        return _renumbered(limited(prompts, PER_GROUP), min(self.study.batch, in_shard))

    def _times(self, prompts: PromptSet, pilot: PromptSet) -> float:
        """Return how many times the work of a pilot a whole setting is."""
        continuations = len(prompts.distinct) * self.study.samples_of(self.cell.decoding)
        return continuations / len(pilot.distinct)

    def _bytes(self, kinds: list[str], setting: str) -> int:
        folders = (self._results / kind / replace(self.cell, setting=setting).folder for kind in kinds)
        return sum(file.stat().st_size for folder in folders for file in folder.glob("*.parquet"))


def _as_pilot(study: Study, results: Path) -> Study:
    # A job with γ carried from prompt to prompt takes as long as one without, but needs all paths.
    settings = [setting.model_copy(update={"carry_state": False}) for setting in study.settings]
    return study.model_copy(update={"results": str(results), "settings": settings})


def _renumbered(prompts: PromptSet, n: int | None = None) -> PromptSet:
    """Return `n` prompts (all of them once when left out), texts repeated under ids of their own."""
    rows = list({row.prompt: row for row in prompts.rows}.values())
    chosen = (rows[index % len(rows)] for index in range(n or len(rows)))
    return replace(prompts, rows=tuple(replace(row, prompt=index) for index, row in enumerate(chosen)))


def _one_job(prompts: PromptSet) -> Job:
    return Job("s000-j0000", 0, (Shard("s000-p0000", 0, prompts.distinct),))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _peak_memory(device: str) -> float:
    import torch

    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _silent(line: str) -> None:
    """Say nothing: what a job logs is of no interest here."""


_HEAD = ("pair", "decoding", "kind of job", "jobs", "device-hours", "disk", "peak memory")


def as_lines(estimates: Iterable[Estimate]) -> Iterator[str]:
    """Yield a table for people, line by line as it is measured, with a line that adds up."""
    yield _line(_HEAD)
    jobs, hours, disk = 0, 0.0, 0.0
    devices: dict[str, None] = {}
    for one in estimates:
        for part in one.model_parts:
            spent = (part.seconds + part.jobs * one.start_up) / 3600
            yield _line(
                (one.pair, one.decoding, part.name, f"{part.jobs}", f"{spent:.3g}", _size(part.bytes), "")
            )
        for part in one.counting_parts:
            yield _line((one.pair, one.decoding, part.name, f"{part.jobs}", "", _size(part.bytes), ""))
        total = (f"{one.model_jobs}", f"{one.device_hours:.3g}", _size(one.disk), _size(one.memory))
        yield _line((one.pair, one.decoding, "all that load models", *total))
        jobs, hours, disk = jobs + one.model_jobs, hours + one.device_hours, disk + one.disk
        devices[one.device] = None
    yield _line(("all", "", "", f"{jobs}", f"{hours:.3g}", _size(disk), ""))
    yield f"measured on {', '.join(devices)}, {PER_GROUP} prompts per group; figures and tables come on top"


def _line(cells: Sequence[str]) -> str:
    widths = (16, 12, 26, 6, 13, 10, 12)
    front = (f"{cell:<{width}}" for cell, width in zip(cells[:3], widths[:3], strict=True))
    back = (f"{cell:>{width}}" for cell, width in zip(cells[3:], widths[3:], strict=True))
    return " ".join((*front, *back)).rstrip()


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"
