"""What a study will cost: the real collectors timed on two prompts per group, and scaled to all of them.

Rows that a batch computes at once cost little more than one, so the two prompts of each group are repeated
until they fill a batch as the study will; the repeats have random draws of their own. Real rounds of the
`assisted` collector run one prompt at a time and are scaled as they are.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import pyarrow.parquet as pq

from specgap.config import Study
from specgap.costs import Estimate, Part
from specgap.layout import Cell, Job, Shard, path_cells, plan_jobs, stored_cells
from specgap.memory import peak_resident
from specgap.models.hub import pinned
from specgap.prompts import PromptSet, limited
from specgap.settings import Setting
from specgap.trace.shards import write_parquet

#: Prompts of each group that are timed.
PER_GROUP = 2


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

    pair = pinned(study, cell.pair)

    def load() -> str:
        loaded = ready_pair(pair, device=study.device, gpu_given=study.resources.gpu > 0)
        return str(loaded.facts["device_name"])

    device = load()
    start_up = time.time() - began
    warm = _seconds(load)
    with tempfile.TemporaryDirectory(prefix="specgap-estimate-") as folder:
        pilot = study.model_copy(update={"results": folder})
        timed = _Timed(pilot, study, prompts, cell, warm)
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
            yield Part(kind, n_jobs, seconds * times, self._disk(known, [kind], "") * times)

    def _stored_part(self, setting: Setting, replayed: bool) -> Part:
        from specgap.replay import replay_job
        from specgap.trace.collect import collect_job

        traced = limited(self.prompts, setting.limit)
        alone = self.study.collector_of(setting) == "assisted"
        known = _renumbered(limited(traced, PER_GROUP)) if alone else self._filled(traced)
        cell, job = replace(self.cell, setting=setting.name), _one_job(known)
        study, results = _one_by_one(self.pilot), self._results

        def run() -> None:
            if replayed:
                replay_job(study, cell, job, known, results=results)
            else:
                collect_job(study, cell, job, known.texts, results=results, log=_silent)

        seconds = max(0.0, _seconds(run) - (0.0 if replayed else self.warm))
        n_jobs = len(plan_jobs(self.study, cell.decoding, cell.setting, traced.distinct))
        times = self._times(traced, known)
        size = self._disk(known, ["traces", "rounds", "timings"], setting.name)
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

    def _disk(self, pilot: PromptSet, kinds: list[str], setting: str) -> float:
        """Return the bytes of a pilot's files if no text were repeated: what is repeated packs too well."""
        texts = len(set(pilot.texts.values()))
        folders = (self._results / kind / replace(self.cell, setting=setting).folder for kind in kinds)
        files = (file for folder in folders for file in folder.glob("*.parquet"))
        return sum(_size_without_repeats(file, texts) for file in files) * len(pilot.distinct) / texts


def _size_without_repeats(file: Path, texts: int) -> int:
    # The prompts of a pilot are numbered, and each text comes once before any comes again.
    rows = pq.read_table(file, filters=[("prompt", "<", texts)])
    once = file.with_suffix(".once")
    write_parquet(rows, once)
    return once.stat().st_size


def _one_by_one(study: Study) -> Study:
    """Let no setting carry γ: that takes as long, and needs no paths of other jobs."""
    settings = [setting.model_copy(update={"carry_state": False}) for setting in study.settings]
    return study.model_copy(update={"settings": settings})


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
    return float(peak_resident())


def _silent(line: str) -> None:
    """Say nothing: what a job logs is of no interest here."""
