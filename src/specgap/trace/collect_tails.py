"""One job of tails: how far settings need the draft to go on after rejections of the same job's paths."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import rust_agg
from specgap.config import Study
from specgap.errors import TraceError
from specgap.files import read_parquet
from specgap.layout import Cell, Job, Shard, done_file
from specgap.schedules import tail_numbers, wanted_tails
from specgap.schema import Fate
from specgap.trace.assisted import quiet
from specgap.trace.batch import Halving
from specgap.trace.done import RecordedFile, shard_files, verified_files
from specgap.trace.drafting import Rejections, TargetPath
from specgap.trace.draws import Array
from specgap.trace.jobs import Rows, finish_job, finished_shards
from specgap.trace.opening import Opened, opened
from specgap.trace.plan import Finished, fingerprints, identity_of, planned
from specgap.trace.progress import Log, Progress
from specgap.trace.tails import Tails


def collect_tails_job(
    study: Study, pair: str, decoding: str, job: Job, texts: Mapping[int, str], *, results: Path, log: Log
) -> None:
    """Make the missing and stale shards of a job's tails, keep its whole ones, and write its done file.

    The job's paths have to be there. Raises `SpecgapError` of one sentence for everything a user can mend.
    """
    cell = Cell(pair, decoding)
    found = opened(study, cell, job, texts, what="tails of", log=log)
    paths = _paths_of(study, cell, found, job, texts, results)
    wanted = Wanted.of(study, decoding)
    identity = identity_of(study, cell, found.pair.facts, collector="tails", setting=wanted.numbers)
    made_from = {name: file.xxh3_128 for name, file in paths.items()}
    plan = planned(identity, job, texts, results, tokens=found.tokens_of(job), made_from=made_from)

    def finished(progress: Progress) -> Iterator[Finished]:
        maker = _Maker(study, decoding, found, paths, wanted, progress, log)
        return finished_shards(plan, identity, found.pair, maker, results)

    with quiet():
        finish_job(identity, job, plan, finished, results=results, log=log)


@dataclass(frozen=True)
class Wanted:
    """The schedules that need tails, and those among them that need p too."""

    counted: tuple[rust_agg.Replay, ...]
    full: tuple[rust_agg.Replay, ...]

    @classmethod
    def of(cls, study: Study, decoding: str) -> "Wanted":
        """Return what a study wants of a decoding's tails, each schedule once."""
        counted, full = wanted_tails(study, decoding)
        return cls(tuple(counted), tuple(full))

    @property
    def numbers(self) -> dict[str, Any]:
        """Their numbers as JSON."""
        return tail_numbers(self.counted, self.full)

    def rejections(self, paths: pa.Table, *, max_new_tokens: int, eos: Sequence[int]) -> Rejections:
        """Return the rejections of one sample's paths after which any schedule discards."""
        thresholds = sorted({one.confidence_threshold for one in self.counted})
        start_of_path = np.flatnonzero(np.asarray(paths["offset"]) == 0)
        first = dict(
            zip(np.asarray(paths["prompt"])[start_of_path].tolist(), start_of_path.tolist(), strict=True)
        )

        def lengths(schedules: Sequence[rust_agg.Replay]) -> Array:
            most = np.zeros((paths.num_rows, len(thresholds)), dtype=np.int64)
            for number, threshold in enumerate(thresholds):
                some = [one for one in schedules if one.confidence_threshold == threshold]
                if some:
                    found = pa.table(
                        rust_agg.tail_lengths(paths, some, max_new_tokens=max_new_tokens, eos=list(eos))
                    )
                    rows = [first[prompt] for prompt in found["prompt"].to_pylist()]
                    most[np.array(rows, dtype=np.int64) + np.asarray(found["start"]), number] = found[
                        "length"
                    ]
            return most

        counted, full = lengths(self.counted), lengths(self.full)
        rows = np.flatnonzero(counted.any(axis=1))
        assert not np.asarray(paths["fate"])[rows].any(), f"a tail after fate {Fate.ACCEPTED!r}"
        return Rejections(
            path=np.searchsorted(start_of_path, rows, side="right") - 1,
            start=np.asarray(paths["offset"])[rows].astype(np.int64),
            token=np.asarray(paths["proposal"])[rows].astype(np.int64),
            q=np.asarray(paths["proposal_q"])[rows],
            counted=counted[rows],
            full=full[rows],
            thresholds=np.array(thresholds, dtype=np.float64),
        )


class _Maker:
    """Makes shards of one job."""

    def __init__(
        self,
        study: Study,
        decoding: str,
        found: Opened,
        paths: Mapping[str, RecordedFile],
        wanted: Wanted,
        progress: Progress,
        log: Log,
    ) -> None:
        self._seed, self._decoding = study.seed, study.decodings[decoding]
        self._found, self._paths, self._wanted = found, paths, wanted
        self._halving, self._progress = Halving(study.batch, log), progress

    def __call__(self, shard: Shard) -> Rows:
        table = read_parquet(self._paths[shard.name].path)
        rejections = self._wanted.rejections(
            table, max_new_tokens=self._decoding.max_new_tokens, eos=self._found.pair.eos_token_ids
        )
        paths = self._known(table)

        def collect(at_once: int) -> Rows:
            columns = self._tails.collect(
                paths, rejections, sample=shard.sample, at_once=at_once, told=self._progress.told
            )
            return {"tails": [columns]}

        return self._halving(collect)

    def _known(self, table: pa.Table) -> list[TargetPath]:
        starts = np.flatnonzero(np.asarray(table["offset"]) == 0)
        tokens = np.split(np.asarray(table["token"]), starts[1:])
        prompts = np.asarray(table["prompt"])[starts].tolist()
        return [
            TargetPath(prompt, self._found.ids[prompt], part.tolist())
            for prompt, part in zip(prompts, tokens, strict=True)
        ]

    @cached_property
    def _tails(self) -> Tails:
        return Tails(
            self._found.pair,
            self._decoding,
            seed=self._seed,
            longest=self._found.longest + self._decoding.max_new_tokens,
        )


def _paths_of(
    study: Study, cell: Cell, found: Opened, job: Job, texts: Mapping[int, str], results: Path
) -> dict[str, RecordedFile]:
    """Return the paths of each shard of a job, whole to the last byte and made as the study says now."""
    done = [done_file(results, cell, job.name, "paths")]
    verified_files(results, done, "paths")
    files = {file.path.stem: file for file in shard_files(results, done, "paths")}
    identity = identity_of(study, cell, found.pair.facts, collector="paths", setting={})
    known = fingerprints(identity, job, texts, tokens=found.tokens_of(job))
    for shard, fingerprint in known:
        if shard.name not in files or files[shard.name].fingerprint != fingerprint:
            raise TraceError(
                f"{done[0]} has no paths of shard {shard.name} as the study is now; "
                "wanted them, so collect the paths again"
            )
    return files
