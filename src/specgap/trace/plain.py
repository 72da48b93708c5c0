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
from specgap.schema import PLAIN_TIMINGS, TIMINGS
from specgap.settings import Decoding
from specgap.trace.assisted import Assisted, generation_config, torch_seed, warpers
from specgap.trace.ledger import Recording, tabulate
from specgap.trace.opening import opened
from specgap.trace.progress import Log, Progress
from specgap.trace.shards import METADATA_KEY, canonical, write_parquet

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
    rows: dict[str, list[Row]] = {"plain": [], "assisted": []}
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
            if setting.carry_state:
                gamma = _gamma_after(recording, turn, study, cell, pair, gamma)
            rows["plain"] += before or [alone.time(turn)]
            rows["assisted"] += _rounds(turn, recording)
            seen.add(n_tokens=2 * len(recording.ids))
    facts = {"device_name": pair.facts["device_name"], "pair": cell.pair, "setting": cell.setting}
    _write(plain, PLAIN_TIMINGS, rows["plain"], facts)
    _write(assisted, TIMINGS, rows["assisted"], facts)


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


def _gamma_after(
    recording: Recording, turn: _Turn, study: Study, cell: Cell, pair: ReadyPair, gamma: int
) -> int:
    """Return γ as the next prompt finds it, where it is carried from prompt to prompt."""
    _, gamma = tabulate(
        recording,
        prompt=turn.prompt,
        sample=turn.sample,
        setting=study.setting(cell.setting),
        gamma=gamma,
        max_new_tokens=study.decodings[cell.decoding].max_new_tokens,
        eos_token_ids=pair.eos_token_ids,
    )
    return gamma


def _rounds(turn: _Turn, recording: Recording) -> list[Row]:
    """Return rows of `schema.TIMINGS`."""
    seconds = zip(recording.draft_seconds.tolist(), recording.verify_seconds.tolist(), strict=True)
    return [
        {
            "prompt": turn.prompt,
            "sample": turn.sample,
            "round": at,
            "draft_seconds": draft,
            "verify_seconds": verify,
        }
        for at, (draft, verify) in enumerate(seconds)
    ]


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


def _write(path: Path, schema: pa.Schema, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    stamped = schema.with_metadata({METADATA_KEY: canonical(facts).encode()})
    with files.written_whole(path) as beside:
        write_parquet(pa.Table.from_pylist(list(rows), schema=stamped), beside)
