"""The whole shards there are so far of a study that is still being traced, taken over as if it had ended.

Shards are hard links, so that the run that traces may write them again meanwhile. Only those count that are
as the study is now: of its config and prompts, and of the models and libraries of the newest of them.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from specgap.config import Study
from specgap.errors import TraceError
from specgap.files import writable, written_whole
from specgap.layout import (
    ALL_SETTINGS,
    Cell,
    Job,
    done_file,
    jobs_of,
    run_cells,
    run_of,
    shard_file,
    sidecar_file,
)
from specgap.prompts import PromptSet
from specgap.schedules import tail_numbers, wanted_tails
from specgap.trace.done import read_done, write_done
from specgap.trace.plan import Finished, fingerprints, identity_of, planned
from specgap.trace.shards import KINDS, Identity, Tokens, facts_in, read_sidecar, sidecar_kinds
from specgap.unfinished import kinds_of, stamps, whole_results

Facts = Mapping[str, Any]


def gather(study: Study, cell: Cell, prompts: PromptSet, *, log: Callable[[str], None]) -> None:
    """Take over one of `layout.run_cells` of a partial study, and write the done files of all of its jobs.

    A job's done file lists the shards that are whole, perhaps none. Raises `TraceError` where no shard of the
    pair is as the study is now.
    """
    run = _Run.of(study, cell, prompts)
    facts = _facts_of(study, cell, prompts)
    results, n_there, n_planned = Path(study.results), 0, 0
    for job in run.jobs:
        kept = run.take_over(job, facts, results)
        n_there += len(next(iter(kept.values())))
        n_planned += len(job.shards)
        for stage in run.stages:
            write_done(results, stage.identity(facts), job.name, kept[stage.collector])
    log(f"{cell.folder}: {n_there} of {n_planned} shards are whole")


def so_far(study: Study, cell: Cell, prompts: PromptSet) -> str:
    """Return how much of a drawn cell of a partial study is traced, in words."""
    settings = study.settings_of(cell.decoding)
    names = [setting.name for setting in settings] if cell.setting == ALL_SETTINGS else [cell.setting]
    runs = dict.fromkeys(run_of(study, Cell(cell.pair, cell.decoding, name)) for name in names)
    there = planned_in_all = 0
    for run in runs:
        for job in jobs_of(study, run, prompts):
            done = read_done(done_file(Path(study.results), run, job.name, kinds_of(study, run)[0]))
            traced = {shard.name for shard in done.shards}
            there += sum(len(shard.prompts) for shard in job.shards if shard.name in traced)
            planned_in_all += sum(len(shard.prompts) for shard in job.shards)
    return f"{there:,} of {planned_in_all:,} continuations traced so far"


@dataclass(frozen=True)
class _Stage:
    """What one collector makes of a run: where it is replayed, paths first, and tails of those next."""

    study: Study
    cell: Cell
    collector: str
    setting: Mapping[str, Any]

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS[self.collector]

    def identity(self, facts: Facts) -> Identity:
        return identity_of(self.study, self.cell, facts, collector=self.collector, setting=self.setting)

    def tokens(self, results: Path, job: Job) -> dict[str, Tokens | None]:
        """Return what is recorded of the ids that each shard of a job was made with; no tokenizer is here."""
        sidecars = {
            shard.name: read_sidecar(results, self.cell, shard.name, self.kinds) for shard in job.shards
        }
        return {name: None if sidecar is None else sidecar.tokens for name, sidecar in sidecars.items()}


@dataclass(frozen=True)
class _Run:
    """A run of the whole study: its stages, each made from the one before, and its jobs."""

    study: Study
    cell: Cell
    prompts: PromptSet
    stages: tuple[_Stage, ...]

    @classmethod
    def of(cls, study: Study, cell: Cell, prompts: PromptSet) -> "_Run":
        if cell.setting:
            setting = study.setting(cell.setting)
            stages = [(str(study.collector_of(setting)), setting.model_dump(mode="json"))]
        else:
            # Tails reach as far as any setting of the whole study wants them.
            whole = study.model_copy(update={"partial": False})
            stages = [("paths", {}), ("tails", tail_numbers(*wanted_tails(whole, cell.decoding)))]
        made = tuple(_Stage(study, cell, collector, setting) for collector, setting in stages)
        return cls(study, cell, prompts, made[: len(kinds_of(study, cell))])

    @cached_property
    def jobs(self) -> list[Job]:
        return jobs_of(self.study, self.cell, self.prompts)

    @property
    def carried(self) -> bool:
        return bool(self.cell.setting) and self.study.setting(self.cell.setting).carry_state

    def facts(self) -> Iterator[Facts]:
        """Yield with what shards of the first stage were made, the newest first, each once."""
        source, stage = whole_results(self.study), self.stages[0]
        newest = sorted(stamps(self.study, self.cell, source), key=lambda stamp: stamp[1], reverse=True)
        seen: list[Facts] = []
        for name, _ in newest:
            facts = facts_in(shard_file(source, stage.kinds[0], self.cell, name))
            if facts is not None and facts not in seen:
                seen.append(facts)
                yield facts

    def is_made_with(self, facts: Facts) -> bool:
        """Say whether any shard of the first stage is as the study is now, made with these models."""
        source, stage = whole_results(self.study), self.stages[0]
        return any(
            sidecar is not None and sidecar.fingerprint == fingerprint
            for job in self.jobs
            for shard, fingerprint in fingerprints(
                stage.identity(facts),
                job,
                self.prompts.texts,
                tokens=stage.tokens(source, job),
                carried=self.carried,
            )
            if (sidecar := read_sidecar(source, self.cell, shard.name, stage.kinds))
        )

    def take_over(self, job: Job, facts: Facts, results: Path) -> dict[str, list[Finished]]:
        """Link a job's shards into `results`; return those that are whole in every stage, by collector."""
        kept: dict[str, dict[str, Finished]] = {}
        made_from: dict[str, str] | None = None
        for stage in self.stages:
            for shard in job.shards:
                _link(whole_results(self.study), results, self.cell, shard.name, stage.kinds)
            plan = planned(
                stage.identity(facts),
                job,
                self.prompts.texts,
                results,
                tokens=stage.tokens(results, job),
                carried=self.carried,
                made_from=made_from,
            )
            kept[stage.collector] = {
                known.shard.name: (known.shard.name, known.fingerprint, known.sidecar)
                for known in plan
                if known.sidecar is not None
            }
            made_from = {
                known.shard.name: known.sidecar.files[stage.kinds[0]]["xxh3_128"] if known.sidecar else ""
                for known in plan
            }
        names = set.intersection(*map(set, kept.values()))
        return {
            collector: [shard for name, shard in shards.items() if name in names]
            for collector, shards in kept.items()
        }


def _facts_of(study: Study, cell: Cell, prompts: PromptSet) -> Facts:
    """Return the facts of a run's newest shard that is as the study is now, or else of its pair's."""
    others = [other for other in run_cells(study) if other.pair == cell.pair and other != cell]
    for one in (cell, *others):
        run = _Run.of(study, one, prompts)
        for facts in run.facts():
            if run.is_made_with(facts):
                return facts
    raise TraceError(
        f"no shard of pair {cell.pair!r} in {whole_results(study)} is of the config and prompts as they are "
        "now; wanted one at least, so let the study run for a while first"
    )


def _link(source: Path, results: Path, cell: Cell, shard: str, kinds: Sequence[str]) -> None:
    """Link a shard's files, its sidecars last; a file that is not there, or no more, is left out."""
    files = [shard_file(Path(), kind, cell, shard) for kind in kinds]
    files += [sidecar_file(Path(), kind, cell, shard) for kind in reversed(sidecar_kinds(kinds))]
    for file in files:
        target = results / file
        with writable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _put(source / file, target)


def _put(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except FileNotFoundError:
        raise
    except OSError:  # a filesystem without hard links
        with written_whole(target) as beside:
            shutil.copyfile(file, beside)
