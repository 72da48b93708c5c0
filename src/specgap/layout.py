"""Where things lie in `results/`; how a trace is cut into shards and jobs, and its count into parts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specgap.config import Study
from specgap.errors import TraceError
from specgap.prompts import PromptSet, limited

#: A cell over all settings of a decoding has this in place of a setting's name.
ALL_SETTINGS = "all"
#: A cell over all pairs has this in place of a pair's name; no pair can be called so (`names.RESERVED`).
#: Its files lie with the study's, whatever its setting (`kind_folder`).
ALL_PAIRS = "all"


@dataclass(frozen=True)
class Cell:
    """One pair under one decoding and one setting; `setting` is empty for paths, which are of none.

    `ALL_PAIRS` and `ALL_SETTINGS` stand in place of either.
    """

    pair: str
    decoding: str
    setting: str = ""

    @property
    def folder(self) -> str:
        """The cell's path below a kind's folder."""
        return "/".join(filter(None, (self.pair, self.decoding, self.setting)))


def path_cells(study: Study) -> list[Cell]:
    """Return every cell that has paths: a pair and a decoding with settings to replay."""
    return [
        Cell(pair, decoding)
        for pair in study.pairs
        for decoding in study.decodings
        if study.replayed_settings_of(decoding)
    ]


def traced_cells(study: Study) -> list[Cell]:
    """Return every cell that is counted: pair, decoding and setting, in the config's order."""
    return [
        Cell(pair, decoding, setting.name)
        for pair in study.pairs
        for decoding in study.decodings
        for setting in study.settings_of(decoding)
    ]


def run_cells(study: Study) -> list[Cell]:
    """Return every cell whose shards models make: those of paths, and of each setting by real rounds."""
    real = [cell for cell in stored_cells(study) if not _replays(study, cell.setting)]
    return [*path_cells(study), *real]


def run_of(study: Study, cell: Cell) -> Cell:
    """Return which of `run_cells` a cell of one setting is counted from."""
    return Cell(cell.pair, cell.decoding) if _replays(study, cell.setting) else cell


def _replays(study: Study, setting: str) -> bool:
    return study.collector_of(study.setting(setting)) == "replay"


def stored_cells(study: Study) -> list[Cell]:
    """Return those of `traced_cells` that keep traces and rounds."""
    stored = {decoding: {s.name for s in study.stored_settings_of(decoding)} for decoding in study.decodings}
    return [cell for cell in traced_cells(study) if cell.setting in stored[cell.decoding]]


def drawn_cells(study: Study) -> list[Cell]:
    """Return the cells that get figures, the main setting of a pair and decoding first, all settings last.

    Where a decoding has one setting, there is nothing to draw over all settings. Where the study is partial,
    cells without a shard have none.
    """
    cells = []
    for pair in study.pairs:
        for decoding in study.decodings:
            cells += [Cell(pair, decoding, setting.name) for setting in study.figure_settings_of(decoding)]
            if len(study.settings_of(decoding)) > 1:
                cells.append(Cell(pair, decoding, ALL_SETTINGS))
    return [cell for cell in cells if cell.folder not in study.absent]


def compared_cells(study: Study) -> list[Cell]:
    """Return the cells over all pairs: the main setting of each decoding that has two or more."""
    return [
        Cell(ALL_PAIRS, decoding, study.figure_settings_of(decoding)[0].name)
        for decoding in study.decodings
        if len(compared_pairs(study, decoding)) > 1
    ]


def compared_pairs(study: Study, decoding: str) -> list[str]:
    """Return the pairs that have the main setting of a decoding, in the config's order.

    Where the study is partial, those without a shard of it are left out.
    """
    main = study.figure_settings_of(decoding)[:1]
    cells = [Cell(pair, decoding, setting.name) for pair in study.pairs for setting in main]
    return [cell.pair for cell in cells if cell.folder not in study.absent]


@dataclass(frozen=True)
class Shard:
    """A run of one sample: the prompts of one id remainder or, under `carry_state`, consecutive prompts."""

    name: str
    sample: int
    prompts: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """The shards that one process traces, in order.

    `number` is its place among all jobs that the cell could have, whether or not their remainders have
    prompts: more prompts or samples change no job's number.
    """

    name: str
    number: int
    shards: tuple[Shard, ...]


def plan_jobs(study: Study, decoding: str, setting: str, prompts: Sequence[int]) -> list[Job]:
    """Cut a trace into jobs; the paths of a decoding, and their tails, where `setting` is empty.

    `prompts` are distinct prompt ids in listed order. Without `carry_state` a shard holds the prompts of one
    remainder of the id, so an added prompt touches one shard of each sample and an added sample only its own
    jobs. With it, one job goes through all prompts in listed order, sample after sample.
    """
    samples = study.samples_of(decoding)
    if setting and study.setting(setting).carry_state:
        runs = list(_runs(prompts, study.shards.number))
        shards = [
            Shard(f"s{sample:03d}-c{index:04d}", sample, tuple(run))
            for sample in range(samples)
            for index, run in enumerate(runs)
        ]
        return [Job("carried", 0, tuple(shards))]
    by_remainder: dict[int, list[int]] = defaultdict(list)
    for prompt in prompts:
        by_remainder[prompt % study.shards.number].append(prompt)
    per_sample = -(-study.shards.number // study.shards.per_job)
    jobs: dict[tuple[int, int], list[Shard]] = defaultdict(list)
    for sample in range(samples):
        for remainder in sorted(by_remainder):
            # Sorted by id, so that the order of the prompt file changes no shard.
            shard = Shard(f"s{sample:03d}-p{remainder:04d}", sample, tuple(sorted(by_remainder[remainder])))
            jobs[sample, remainder // study.shards.per_job].append(shard)
    return [
        Job(f"s{sample:03d}-j{index:04d}", sample * per_sample + index, tuple(shards))
        for (sample, index), shards in jobs.items()
    ]


def jobs_of(study: Study, cell: Cell, prompts: PromptSet) -> list[Job]:
    """Return the jobs of a cell, or of paths, over the prompts that its setting is limited to."""
    limit = study.setting(cell.setting).limit if cell.setting else None
    return plan_jobs(study, cell.decoding, cell.setting, limited(prompts, limit).distinct)


def _runs(prompts: Sequence[int], number: int) -> Iterable[Sequence[int]]:
    length = -(-len(prompts) // number)
    for start in range(0, len(prompts), length):
        yield prompts[start : start + length]


def kind_folder(results: Path, kind: str, cell: Cell) -> Path:
    """Return the folder of a cell's tables or figures; those over all pairs lie in `study/`, by decoding."""
    return (
        results / "study" / kind / cell.decoding if cell.pair == ALL_PAIRS else results / kind / cell.folder
    )


def shard_file(results: Path, kind: str, cell: Cell, shard: str) -> Path:
    """Return a shard's Parquet file; kind is one of `schema.SHARD_KINDS`."""
    return results / kind / cell.folder / f"{shard}.parquet"


def sidecar_file(results: Path, kind: str, cell: Cell, shard: str) -> Path:
    """Return the sidecar beside a shard's file of this kind (the first of its collector's, or `timings`)."""
    return shard_file(results, kind, cell, shard).with_suffix(".json")


def done_file(results: Path, cell: Cell, job: str, kind: str = "traces") -> Path:
    """Return the file that says which shards a job has computed; kind is `traces`, `paths` or `tails`."""
    return results / kind / cell.folder / f"{job}.done.json"


def state_file(results: Path, cell: Cell) -> Path:
    """Return what a cell's rows are counted into."""
    return results / "aggregates" / cell.folder / "state.rust_agg"


def state_files(study: Study) -> list[Path]:
    """Return what the cells of a study are counted into; a server's counts are no state."""
    cells = [] if study.collector == "counts" else traced_cells(study)
    return [state_file(Path(study.results), cell) for cell in cells]


def plan_parts(jobs: Iterable[Job], number: int) -> dict[str, list[Job]]:
    """Deal a cell's jobs to at most `number` parts, each counted by itself; return part name to jobs.

    A job's own number says which part it is in, so more prompts or samples change only the parts that get
    their jobs. No part is empty. Names say of how many (`2-of-5`), so that parts dealt in another way are
    other files.
    """
    parts: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        parts[f"{job.number % number + 1}-of-{number}"].append(job)
    return dict(parts)


def counted_files(
    results: Path, cell: Cell, parts: Mapping[str, Sequence[Job]], part: str | None = None
) -> list[Path]:
    """Return what a state is made of: the done files of one part, or the states of a cell's parts.

    A cell of one part has no state but its own, which is made of its done files.
    """
    if part is None and len(parts) > 1:
        return [part_file(results, cell, name) for name in parts]
    if part is not None and part not in parts:
        raise TraceError(f"{cell.folder} has no part {part!r}; wanted one of {', '.join(parts)}")
    jobs = parts[part] if part is not None else [job for jobs in parts.values() for job in jobs]
    return [done_file(results, cell, job.name) for job in jobs]


def part_file(results: Path, cell: Cell, part: str) -> Path:
    """Return the state of one part of a cell."""
    return results / "aggregates" / cell.folder / "parts" / f"{part}.rust_agg"


def table_file(folder: Path, table: str, grouping: str, *, main: str) -> Path:
    """Return a table's CSV: plain for the main grouping, `table--grouping.csv` for another."""
    return folder / (f"{table}.csv" if grouping == main else f"{table}--{grouping}.csv")


def find_job(study: Study, decoding: str, setting: str, prompts: Sequence[int], name: str) -> Job:
    """Return the job of this name among those of `plan_jobs`."""
    jobs = {job.name: job for job in plan_jobs(study, decoding, setting, prompts)}
    if name not in jobs:
        raise TraceError(f"{setting or decoding} has no job {name!r}; wanted one of {', '.join(jobs)}")
    return jobs[name]
