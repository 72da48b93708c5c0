"""Seconds of the target alone beside seconds of assisted generation, prompt by prompt on one device.

The two runs of a prompt follow each other, the first of them by turns, so that a busy minute slows both. What
is measured is transformers' own `generate`, whole continuations, models loaded and warmed up before.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import LogitsProcessorList

from specgap import files
from specgap.config import Study
from specgap.errors import TraceError
from specgap.layout import Cell, Job, plan_jobs
from specgap.models import ReadyPair
from specgap.schema import PLAIN_TIMINGS
from specgap.settings import Decoding
from specgap.trace.assisted import Assisted, generation_config, torch_seed, warpers
from specgap.trace.ledger import Columns, tabulate
from specgap.trace.opening import opened
from specgap.trace.progress import Log, Progress
from specgap.trace.shards import METADATA_KEY, canonical, shard_table, write_parquet

Row = dict[str, Any]
#: Continuations run before the clock starts: the first calls of a model fill caches and choose kernels.
WARM_UP = 2


@dataclass(frozen=True)
class _Turn:
    """A continuation to be timed."""

    prompt: int
    sample: int
    ids: list[int]
    seed: int


def time_speed_up(
    study: Study, cell: Cell, texts: Mapping[int, str], *, plain: Path, assisted: Path, log: Log
) -> None:
    """Time every prompt and sample of a setting with and without the draft, and write both tables.

    `texts` are those of the prompts to time. `plain` gets `schema.PLAIN_TIMINGS`, `assisted`
    `schema.TIMINGS`; both name the device in their metadata. Raises `SpecgapError` of one sentence for what
    a user can mend.
    """
    setting = study.setting(cell.setting)
    if (collector := study.collector_of(setting)) != "assisted":
        raise TraceError(
            f"setting {setting.name} has collector {collector}; wanted `collector: assisted`, since a "
            "speed-up is measured on real assisted generation"
        )
    jobs = plan_jobs(study, cell.decoding, cell.setting, list(texts))
    whole = Job("all", 0, tuple(shard for job in jobs for shard in job.shards))
    begun = opened(study, cell, whole, texts, what="timing with and without the draft", log=log)
    pair, turns = begun.pair, _turns(study.seed, whole, begun.ids)
    decoding = study.decodings[cell.decoding]
    of_target: list[Row] = []
    of_rounds: list[Columns] = []
    with (
        Assisted(pair, decoding, setting) as runner,
        Progress(total=len(turns), what="plain", log=log) as seen,
    ):
        alone = _Alone(pair, decoding)
        for turn in turns[:WARM_UP]:
            alone.time(turn)
            runner.record(turn.ids, seed=turn.seed, gamma=setting.num_assistant_tokens)
        gamma = setting.num_assistant_tokens
        for number, turn in enumerate(turns):
            before = [alone.time(turn)] if number % 2 else []
            recording = runner.record(turn.ids, seed=turn.seed, gamma=gamma)
            tables, after = tabulate(
                recording,
                prompt=turn.prompt,
                sample=turn.sample,
                setting=setting,
                gamma=gamma,
                max_new_tokens=decoding.max_new_tokens,
                eos_token_ids=pair.eos_token_ids,
            )
            gamma = after if setting.carry_state else gamma
            of_target += before or [alone.time(turn)]
            of_rounds.append(tables["timings"])
            seen.add(n_tokens=2 * len(recording.ids))
    facts = {"device_name": pair.facts["device_name"], "pair": cell.pair, "setting": cell.setting}
    stamped = PLAIN_TIMINGS.with_metadata({METADATA_KEY: canonical(facts).encode()})
    _write(plain, pa.Table.from_pylist(of_target, schema=stamped))
    _write(assisted, shard_table("timings", of_rounds, facts))


class _Alone:
    """The target without a draft."""

    def __init__(self, pair: ReadyPair, decoding: Decoding) -> None:
        self._target = pair.target
        self._config = generation_config(decoding, pair.eos_token_ids)
        self._processors = LogitsProcessorList(warpers(decoding))

    def time(self, turn: _Turn) -> Row:
        """Return a row of `schema.PLAIN_TIMINGS`."""
        ids = torch.tensor([turn.ids], dtype=torch.long, device=self._target.device)
        torch.manual_seed(turn.seed)
        _settle(self._target)
        began = time.perf_counter()
        self._target.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=self._config,
            logits_processor=self._processors,
        )
        _settle(self._target)
        return {"prompt": turn.prompt, "sample": turn.sample, "seconds": time.perf_counter() - began}


def _turns(seed: int, job: Job, ids: Mapping[int, list[int]]) -> Sequence[_Turn]:
    return [
        _Turn(prompt, shard.sample, ids[prompt], torch_seed(seed, prompt, shard.sample))
        for shard in job.shards
        for prompt in shard.prompts
    ]


def _settle(model: Any) -> None:
    # A GPU computes behind the clock's back.
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)


def _write(path: Path, table: pa.Table) -> None:
    with files.written_whole(path) as beside:
        write_parquet(table, beside)
