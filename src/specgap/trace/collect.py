"""One trace job: its shards, each traced or kept, and the file that says so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specgap.config import Study
from specgap.errors import TraceError
from specgap.layout import Cell, Job, Shard
from specgap.models import ReadyPair
from specgap.settings import Decoding, Setting
from specgap.trace.assisted import Assisted, torch_seed
from specgap.trace.collect_batched import collect_batched_job
from specgap.trace.jobs import finish_job
from specgap.trace.ledger import Columns, tabulate
from specgap.trace.opening import opened
from specgap.trace.plan import Finished, Known, identity_of, planned
from specgap.trace.progress import Log, Progress
from specgap.trace.shards import Identity, Sidecar, write_shard


def collect_job(
    study: Study, cell: Cell, job: Job, texts: Mapping[int, str], *, results: Path, log: Log
) -> None:
    """Trace a job's missing and stale shards, keep its whole ones, and write its done file.

    `texts` gives each prompt id's text. Raises `SpecgapError` of one sentence for everything a user can mend.
    """
    decoding, setting = study.decodings[cell.decoding], study.setting(cell.setting)
    if study.collector_of(setting) == "batched":
        collect_batched_job(study, cell, job, texts, results=results, log=log)
        return
    found = opened(study, cell, job, texts, what="tracing", log=log)
    pair, ids = found.pair, found.ids
    identity = identity_of(
        study,
        cell,
        pair.facts,
        collector=study.collector_of(setting),
        setting=setting.model_dump(mode="json"),
    )
    plan = planned(identity, job, texts, results, tokens=found.tokens_of(job), carried=setting.carry_state)
    with Assisted(pair, decoding, setting) as assisted:

        def finished(progress: Progress) -> Iterator[Finished]:
            tracer = _Tracer(study.seed, pair, decoding, setting, assisted, progress)
            return _finished(plan, tracer, ids, identity, results)

        finish_job(identity, job, plan, finished, results=results, log=log)


@dataclass(frozen=True)
class _Tracer:
    """Traces shards of one cell."""

    seed: int
    pair: ReadyPair
    decoding: Decoding
    setting: Setting
    assisted: Assisted
    progress: Progress

    def trace(
        self, shard: Shard, ids: Mapping[int, list[int]], gamma: int
    ) -> tuple[dict[str, list[Columns]], int]:
        """Return a shard's rows, prompt by prompt, and γ after it."""
        rows: dict[str, list[Columns]] = {"traces": [], "rounds": [], "timings": []}
        for prompt in shard.prompts:
            if not self.setting.carry_state:
                gamma = self.setting.num_assistant_tokens
            seed = torch_seed(self.seed, prompt, shard.sample)
            recording = self.assisted.record(ids[prompt], seed=seed, gamma=gamma)
            tables, gamma = tabulate(
                recording,
                prompt=prompt,
                sample=shard.sample,
                setting=self.setting,
                gamma=gamma,
                max_new_tokens=self.decoding.max_new_tokens,
                eos_token_ids=self.pair.eos_token_ids,
            )
            self.assisted.check_gamma(gamma)
            for kind, columns in tables.items():
                rows[kind].append(columns)
            self.progress.add(n_tokens=len(recording.ids))
        return rows, gamma


def _finished(
    plan: Sequence[Known],
    tracer: _Tracer,
    ids: Mapping[int, list[int]],
    identity: Identity,
    results: Path,
) -> Iterator[Finished]:
    """Trace what is not whole; yield every shard's name, fingerprint and sidecar, in order."""
    carried, gamma = tracer.setting.carry_state, tracer.setting.num_assistant_tokens
    for known in plan:
        name, sidecar = known.shard.name, known.sidecar
        if sidecar is None:
            rows, gamma = tracer.trace(known.shard, ids, gamma)
            tracer.pair.check_unchanged()
            metadata = identity.metadata(known.shard, known.fingerprint, known.tokens)
            end_gamma = gamma if carried else None
            sidecar = write_shard(results, identity.cell, name, rows, metadata, end_gamma=end_gamma)
        elif carried:
            gamma = _carried_gamma(name, sidecar)
        yield name, known.fingerprint, sidecar


def _carried_gamma(shard: str, sidecar: Sidecar) -> int:
    if sidecar.end_gamma is None:
        raise TraceError(
            f"shard {shard} is recorded without the γ it ended with; wanted it, so delete the shard"
        )
    return sidecar.end_gamma
