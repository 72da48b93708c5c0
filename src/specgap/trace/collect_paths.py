"""One job of target paths: its shards, each made or kept, and the file that says so. No setting is in it."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from specgap.config import Study
from specgap.layout import Cell, Job, Shard
from specgap.trace.assisted import quiet
from specgap.trace.batch import Halving
from specgap.trace.jobs import Rows, finish_job, finished_shards
from specgap.trace.opening import Opened, opened
from specgap.trace.paths import Paths
from specgap.trace.plan import Finished, identity_of, planned
from specgap.trace.progress import Log, Progress


def collect_paths_job(
    study: Study, pair: str, decoding: str, job: Job, texts: Mapping[int, str], *, results: Path, log: Log
) -> None:
    """Make the missing and stale shards of a job's paths, keep its whole ones, and write its done file.

    `texts` gives each prompt id's text. Raises `SpecgapError` of one sentence for everything a user can mend.
    """
    cell = Cell(pair, decoding)
    found = opened(study, cell, job, texts, what="paths of", log=log)
    identity = identity_of(study, cell, found.pair.facts, collector="paths", setting={})
    plan = planned(identity, job, texts, results, tokens=found.tokens_of(job))

    def finished(progress: Progress) -> Iterator[Finished]:
        maker = _Maker(study, decoding, found, progress, log)
        return finished_shards(plan, identity, found.pair, maker, results)

    with quiet():
        finish_job(identity, job, plan, finished, results=results, log=log)


class _Maker:
    """Makes shards of one job."""

    def __init__(self, study: Study, decoding: str, found: Opened, progress: Progress, log: Log) -> None:
        self._seed, self._decoding = study.seed, study.decodings[decoding]
        self._found, self._progress, self._log = found, progress, log
        self._halving = Halving(study.batch, log)

    def __call__(self, shard: Shard) -> Rows:
        texts = {prompt: self._found.ids[prompt] for prompt in shard.prompts}

        def collect(at_once: int) -> Rows:
            columns = self._paths.collect(
                texts, sample=shard.sample, at_once=at_once, told=self._progress.told
            )
            return {"paths": [columns]}

        return self._halving(collect)

    @cached_property
    def _paths(self) -> Paths:
        # Made when a shard needs it: it tries out what the models take, which costs a few forwards.
        paths = Paths(
            self._found.pair,
            self._decoding,
            seed=self._seed,
            longest=self._found.longest + self._decoding.max_new_tokens,
        )
        if not paths.is_ragged:
            self._log(
                "a model of the pair takes no texts of different lengths: those of one length go together"
            )
        return paths
