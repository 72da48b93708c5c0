"""Replay on this side of `rust_agg`: which shards and schedules it is given, and where its rows are kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

import rust_agg
from specgap.aggregate import as_shard, grids, groups_of, named_faults, refuse_foreign
from specgap.config import Study
from specgap.layout import Cell, Job, Shard, done_file, plan_jobs
from specgap.prompts import PromptSet
from specgap.schedules import schedule_of
from specgap.settings import Setting
from specgap.trace.done import Done, RecordedFile, read_alike, shard_files, write_done
from specgap.trace.ledger import Columns
from specgap.trace.shards import Identity, Sidecar, write_shard

if TYPE_CHECKING:
    from specgap.tables.orders import GroupOrder

#: Bumped when the same paths, tails and setting give other rows.
REPLAY_VERSION = 1


@dataclass(frozen=True)
class Source:
    """Paths of a pair and decoding with the tails that belong to them; no tails where none were collected."""

    done: Done
    paths: Sequence[RecordedFile]
    tails: Sequence[RecordedFile] | None

    @classmethod
    def of(cls, results: Path, cell: Cell, jobs: Sequence[str], *, tails: bool) -> "Source":
        """Find the shards of these jobs of a pair and decoding; raise `TraceError` where one is not whole."""
        run = Cell(cell.pair, cell.decoding)

        kinds = ("paths", "tails") if tails else ("paths",)
        done = {kind: [done_file(results, run, job, kind) for job in jobs] for kind in kinds}
        first = next(iter(read_alike(chain(*done.values())).values()))
        files = {kind: shard_files(results, paths, kind) for kind, paths in done.items()}
        return cls(first, files["paths"], files.get("tails"))

    @property
    def max_new_tokens(self) -> int:
        """The length that paths go to at most."""
        return int(self.done.decoding["max_new_tokens"])

    @property
    def eos(self) -> list[int]:
        """The tokens that end a text."""
        return [int(token) for token in self.done.facts["eos_token_ids"]]


def replay_swept(
    study: Study, pair: str, decoding: str, prompts: PromptSet, *, results: Path, threads: int
) -> dict[str, rust_agg.State]:
    """Count every setting of a pair and decoding that keeps no records; return setting name to state."""
    swept = study.swept_settings_of(decoding)
    tailed = study.tailed_settings_of(decoding, full=False)
    return replay_states(
        study,
        Cell(pair, decoding),
        {setting.name: schedule_of(setting, prompts.distinct) for setting in swept},
        prompts,
        tails=any(setting in tailed for setting in swept),
        results=results,
        threads=threads,
    )


def replay_orders(
    study: Study,
    cell: Cell,
    orders: "Sequence[GroupOrder]",
    prompts: PromptSet,
    *,
    results: Path,
    threads: int,
) -> tuple[rust_agg.State, list[rust_agg.State]]:
    """Count a heuristic setting by prompt: with γ begun anew for each, and carried through each order."""
    reset = study.setting(cell.setting)
    carried = reset.model_copy(update={"carry_state": True})
    schedules = {"": schedule_of(reset, ())}
    schedules |= {str(number): schedule_of(carried, order.prompts) for number, order in enumerate(orders)}
    fixed, *by_order = replay_states(
        study, cell, schedules, prompts, tails=True, results=results, threads=threads, parts=["prompts"]
    ).values()
    return fixed, by_order


def replay_states(
    study: Study,
    cell: Cell,
    schedules: Mapping[str, rust_agg.Replay],
    prompts: PromptSet,
    *,
    tails: bool,
    results: Path,
    threads: int,
    parts: Sequence[str] | None = None,
) -> dict[str, rust_agg.State]:
    """Count schedules in one pass over all paths of a pair and decoding; `parts` as in `rust_agg.replay`."""
    jobs = [job.name for job in plan_jobs(study, cell.decoding, "", prompts.distinct)]
    source = Source.of(results, cell, jobs, tails=tails)
    with named_faults():
        states: dict[str, rust_agg.State] = rust_agg.replay(
            [as_shard(file) for file in source.paths],
            schedules,
            groups_of(prompts),
            max_new_tokens=source.max_new_tokens,
            eos=source.eos,
            tails=None if source.tails is None else [as_shard(file) for file in source.tails],
            grids=grids(study.bins),
            parts=parts,
            over_confident_ratio=study.over_confident_ratio,
            threads=threads,
        )
    for state in states.values():
        refuse_foreign(state, len(source.paths))
    return states


def replay_job(study: Study, cell: Cell, job: Job, prompts: PromptSet, *, results: Path) -> None:
    """Write one job's traces and rounds of a replayed setting, and its done file: the same bytes each time.

    Where γ goes from prompt to prompt, the job is all of the setting, and all of its rows are in memory.
    """
    setting = study.setting(cell.setting)
    jobs = [job.name]
    if setting.carry_state:
        jobs = [path_job.name for path_job in plan_jobs(study, cell.decoding, "", prompts.distinct)]
    source = Source.of(results, cell, jobs, tails=True)
    if study.partial:
        there = {file.path.stem for file in source.paths}
        job = replace(job, shards=tuple(shard for shard in job.shards if shard.name in there))
    identity = _identity(source.done, cell, setting)
    schedule = schedule_of(setting, prompts.distinct)
    carried = setting.carry_state
    made = _carried_rows(source, schedule, job, prompts) if carried else _rows(source, schedule, job)
    done_file(results, cell, job.name).unlink(missing_ok=True)
    finished: list[tuple[str, str, Sidecar]] = []
    before = None
    for shard, part, traces, rounds in made:
        after = _digest_of(part, before)
        # A shard of a carried run is made of all paths, whose prompts are cut in another way.
        tokens = None if carried else part.paths[0].tokens
        fingerprint = identity.fingerprint(shard, prompts.texts, tokens, after=after)
        sidecar = write_shard(
            results,
            cell,
            shard.name,
            {"traces": [_columns(traces)], "rounds": [_columns(rounds)]},
            identity.metadata(shard, fingerprint, tokens),
            end_gamma=_gamma_after(rounds) if carried else None,
        )
        finished.append((shard.name, fingerprint, sidecar))
        before = fingerprint if carried else None
    write_done(results, identity, job.name, finished)


_Made = Iterator[tuple[Shard, Source, pa.Table, pa.Table]]


def _rows(source: Source, schedule: rust_agg.Replay, job: Job) -> _Made:
    """Yield each shard with what it is made from and its rows: a shard of paths is one of records."""
    assert source.tails is not None
    for shard, paths, tails in zip(job.shards, source.paths, source.tails, strict=True):
        part = Source(source.done, [paths], [tails])
        yield shard, part, *_records(part, schedule)


def _carried_rows(source: Source, schedule: rust_agg.Replay, job: Job, prompts: PromptSet) -> _Made:
    """Yield the same where γ goes from prompt to prompt: rows of all paths, put into the order of the run."""
    traces, rounds = (_Run(table, prompts.distinct) for table in _records(source, schedule))
    for shard in job.shards:
        yield shard, source, traces.of(shard), rounds.of(shard)


class _Run:
    """Rows in the order in which γ is carried: sample after sample, prompts as listed."""

    def __init__(self, table: pa.Table, order: Sequence[int]) -> None:
        ids = np.array(order, dtype=np.uint64)
        by_id = np.argsort(ids)
        place = by_id[np.searchsorted(ids, table["prompt"].to_numpy(), sorter=by_id)]
        self._place = {prompt: index for index, prompt in enumerate(order)}
        self._length = len(order)
        at = table["sample"].to_numpy().astype(np.int64) * self._length + place
        rows = np.argsort(at, kind="stable")
        self._at, self._table = at[rows], table.take(rows)

    def of(self, shard: Shard) -> pa.Table:
        """Return a shard's rows; its prompts are consecutive ones."""
        first = shard.sample * self._length + self._place[shard.prompts[0]]
        start, end = np.searchsorted(self._at, [first, first + len(shard.prompts)])
        return self._table.slice(start, end - start)


def _records(source: Source, schedule: rust_agg.Replay) -> tuple[pa.Table, pa.Table]:
    with named_faults():
        tables = rust_agg.replay_records(
            [as_shard(file) for file in source.paths],
            schedule,
            max_new_tokens=source.max_new_tokens,
            eos=source.eos,
            tails=[as_shard(file) for file in source.tails or ()],
        )
    traces, rounds = (pa.table(table) for table in tables)
    return traces, rounds


def _identity(done: Done, cell: Cell, setting: Setting) -> Identity:
    return Identity(
        cell=cell,
        facts=done.facts,
        decoding=done.decoding,
        setting=setting.model_dump(mode="json"),
        collector="replay",
        seed=done.seed,
        prompt_format=done.prompt_format,
    )


def _digest_of(source: Source, before: str | None) -> str:
    """Return what a shard's rows depend on beside its setting, as `Identity.fingerprint` takes it."""
    known = [file.fingerprint for file in (*source.paths, *(source.tails or ()))]
    return " ".join([f"replay {REPLAY_VERSION}", *known, before or ""])


def _gamma_after(rounds: pa.Table) -> int:
    """Return γ after the last round of a run, as `trace.ledger.gammas` counts."""
    last = {name: int(rounds[name][-1].as_py()) for name in ("requested", "drafted", "emitted")}
    won = last["emitted"] == last["drafted"] + 1
    return last["requested"] + 2 if won else max(1, last["requested"] - 1)


def _columns(table: pa.Table) -> Columns:
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        mask = column.is_null().to_numpy(zero_copy_only=False)
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        columns[name] = np.ma.masked_array(values, mask=mask) if mask.any() else values
    return columns
