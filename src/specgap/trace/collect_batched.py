"""One job of real rounds, many prompts at once: its shards, each made or kept, and the file that says so."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from specgap.config import Study
from specgap.layout import Cell, Job, Shard
from specgap.trace.assisted import quiet
from specgap.trace.batch import Halving
from specgap.trace.batched import Batched
from specgap.trace.jobs import Rows, finish_job, finished_shards
from specgap.trace.ledger import Columns, Recording, tabulate
from specgap.trace.opening import Opened, opened
from specgap.trace.plan import Finished, identity_of, planned
from specgap.trace.progress import Log, Progress


def collect_batched_job(
    study: Study, cell: Cell, job: Job, texts: Mapping[int, str], *, results: Path, log: Log
) -> None:
    """Make a job's missing and stale shards, keep its whole ones, and write its done file.

    `texts` gives each prompt id's text. Raises `SpecgapError` of one sentence for everything a user can mend.
    """
    setting = study.setting(cell.setting)
    found = opened(study, cell, job, texts, what="rounds of", log=log)
    identity = identity_of(
        study, cell, found.pair.facts, collector="batched", setting=setting.model_dump(mode="json")
    )
    plan = planned(identity, job, texts, results, tokens=found.tokens_of(job))

    def finished(progress: Progress) -> Iterator[Finished]:
        return finished_shards(plan, identity, found.pair, _Maker(study, cell, found, progress, log), results)

    with quiet():
        finish_job(identity, job, plan, finished, results=results, log=log)


class _Maker:
    """Makes shards of one job."""

    def __init__(self, study: Study, cell: Cell, found: Opened, progress: Progress, log: Log) -> None:
        self._seed, self._decoding = study.seed, study.decodings[cell.decoding]
        self._setting = study.setting(cell.setting)
        self._found, self._progress, self._log = found, progress, log
        self._halving = Halving(study.batch, log)

    def __call__(self, shard: Shard) -> Rows:
        recordings: dict[int, Recording] = {}

        def collect(at_once: int) -> None:
            # What was recorded before memory ran out stays.
            left = {prompt: self._found.ids[prompt] for prompt in shard.prompts if prompt not in recordings}
            made = self._batched.record(left, sample=shard.sample, at_once=at_once, told=self._progress.told)
            for prompt, recording in made:
                recordings[prompt] = recording

        self._halving(collect)
        rows: dict[str, list[Columns]] = {"traces": [], "rounds": []}
        for prompt in shard.prompts:
            for kind, columns in self._tabulated(prompt, shard.sample, recordings[prompt]).items():
                rows[kind].append(columns)
        return rows

    def _tabulated(self, prompt: int, sample: int, recording: Recording) -> Mapping[str, Columns]:
        tables, _ = tabulate(
            recording,
            prompt=prompt,
            sample=sample,
            setting=self._setting,
            gamma=self._setting.num_assistant_tokens,
            max_new_tokens=self._decoding.max_new_tokens,
            eos_token_ids=self._found.pair.eos_token_ids,
        )
        return tables

    @cached_property
    def _batched(self) -> Batched:
        # Made when a shard needs it: it tries out what the models take, which costs a few forwards.
        batched = Batched(
            self._found.pair,
            self._decoding,
            self._setting,
            seed=self._seed,
            longest=self._found.longest + self._decoding.max_new_tokens,
        )
        if not batched.is_ragged:
            self._log("a model of the pair takes no texts of different lengths: prompts run one at a time")
        return batched
