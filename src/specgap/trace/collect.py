"""One trace job: its shards, each traced or kept, and the file that says so."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from specgap.config import Study
from specgap.errors import TraceError
from specgap.layout import Cell, Job, Shard, done_file
from specgap.models import ReadyPair, check_prompts, ready_pair
from specgap.settings import Decoding, Setting
from specgap.trace.assisted import Assisted, ignored_fields, torch_seed
from specgap.trace.done import write_done
from specgap.trace.ledger import Columns, tabulate
from specgap.trace.progress import Progress
from specgap.trace.shards import (
    VERSIONED,
    Identity,
    Sidecar,
    State,
    state_of,
    versions_of,
    write_shard,
)

Log = Callable[[str], None]


@dataclass(frozen=True)
class _Known:
    """A planned shard and what is on disk of it."""

    shard: Shard
    fingerprint: str
    state: State
    sidecar: Sidecar | None


def collect_job(
    study: Study, cell: Cell, job: Job, texts: Mapping[int, str], *, results: Path, log: Log
) -> None:
    """Trace a job's missing and stale shards, keep its whole ones, and write its done file.

    `texts` gives each prompt id's text. Raises `SpecgapError` of one sentence for everything a user can mend.
    """
    decoding, setting = study.decodings[cell.decoding], study.setting(cell.setting)
    torch.set_num_threads(study.shards.threads)
    ids = _encoded(study, cell, job, texts)
    pair = ready_pair(study.pairs[cell.pair], device=study.device, gpu_given=study.resources.gpu > 0)
    log(f"{pair.facts['device_name']}: tracing {cell.folder}, job {job.name}")
    _say_ignored(pair, log)
    identity = _identity(study, cell, pair)
    plan = list(_planned(identity, job, texts, results, carried=setting.carry_state))
    _say_other_versions(plan, identity, results, log)
    done_file(results, cell, job.name).unlink(missing_ok=True)
    total = sum(len(known.shard.prompts) for known in plan if known.state != "whole")
    with (
        Assisted(pair, decoding, setting) as assisted,
        Progress(total=total, what=job.name, log=log) as progress,
    ):
        tracer = _Tracer(study.seed, pair, decoding, setting, assisted, progress)
        shards = list(_finished(plan, tracer, ids, identity, results))
    write_done(results, identity, job.name, shards)
    states = Counter(known.state for known in plan)
    log(
        f"{job.name}: {states['whole']} shards kept, {states['missing']} traced, "
        f"{states['stale']} stale or damaged ones replaced"
    )


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


def _planned(
    identity: Identity, job: Job, texts: Mapping[int, str], results: Path, *, carried: bool
) -> Iterator[_Known]:
    before = None
    for shard in job.shards:
        fingerprint = identity.fingerprint(shard, texts, after=before)
        state, sidecar = state_of(results, identity.cell, shard.name, fingerprint)
        yield _Known(shard, fingerprint, state, sidecar)
        before = fingerprint if carried else None


def _finished(
    plan: Sequence[_Known],
    tracer: _Tracer,
    ids: Mapping[int, list[int]],
    identity: Identity,
    results: Path,
) -> Iterator[tuple[str, str, Sidecar]]:
    """Trace what is not whole; yield every shard's name, fingerprint and sidecar, in order."""
    carried, gamma = tracer.setting.carry_state, tracer.setting.num_assistant_tokens
    for known in plan:
        name, sidecar = known.shard.name, known.sidecar
        if sidecar is None:
            rows, gamma = tracer.trace(known.shard, ids, gamma)
            metadata = identity.metadata(known.shard, known.fingerprint)
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


def _encoded(study: Study, cell: Cell, job: Job, texts: Mapping[int, str]) -> dict[int, list[int]]:
    """Return the token ids of a job's prompts; no weights are loaded to refuse one that is too long."""
    wanted = dict.fromkeys(prompt for shard in job.shards for prompt in shard.prompts)
    encoded = check_prompts(
        study.pairs[cell.pair],
        [texts[prompt] for prompt in wanted],
        study.prompt_format,
        max_new_tokens=study.decodings[cell.decoding].max_new_tokens,
    )
    return {prompt: encoded[texts[prompt]] for prompt in wanted}


def _identity(study: Study, cell: Cell, pair: ReadyPair) -> Identity:
    setting = study.setting(cell.setting)
    return Identity(
        cell=cell,
        facts=pair.facts,
        decoding=study.decodings[cell.decoding].model_dump(mode="json", exclude={"settings"}),
        setting=setting.model_dump(mode="json"),
        collector=setting.collector or study.collector,
        seed=study.seed,
        prompt_format=study.prompt_format.model_dump(mode="json"),
    )


def _say_other_versions(plan: Sequence[_Known], identity: Identity, results: Path, log: Log) -> None:
    now = _named({name: identity.facts[name] for name in VERSIONED})
    stale = [known.shard.name for known in plan if known.state == "stale"]
    found = (versions_of(results, identity.cell, shard) for shard in stale)
    for before, number in sorted(Counter(_named(versions) for versions in found if versions).items()):
        if before != now:
            log(f"{number} shards were made with {before}; they are traced again with {now}")


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _say_ignored(pair: ReadyPair, log: Log) -> None:
    for role, model in (("target", pair.target), ("draft", pair.draft)):
        fields = ignored_fields(model.generation_config)
        if fields:
            named = ", ".join(f"{name} {value}" for name, value in sorted(fields.items()))
            log(
                f"the {role}'s own generation_config ({named}) is not used: "
                "the study's decoding says everything"
            )
