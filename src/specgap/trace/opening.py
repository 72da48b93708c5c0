"""What every trace job begins with: prompts as token ids, a loaded pair, and what its rows depend on."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import transformers

from specgap.config import Study
from specgap.layout import Cell, Job
from specgap.models import ReadyPair, check_prompts, ready_pair
from specgap.models.hub import pinned
from specgap.settings import Pair
from specgap.trace.assisted import check_transformers, ignored_fields
from specgap.trace.progress import Log


@dataclass(frozen=True)
class Opened:
    """A loaded pair, and prompt to token ids."""

    pair: ReadyPair
    ids: Mapping[int, list[int]]

    @property
    def longest(self) -> int:
        """The number of tokens of the longest prompt."""
        return max(map(len, self.ids.values()))


def opened(study: Study, cell: Cell, job: Job, texts: Mapping[int, str], *, what: str, log: Log) -> Opened:
    """Load a cell's pair, and encode a job's prompts; say on which device.

    A prompt that is too long is refused before weights are loaded.
    """
    check_transformers(transformers.__version__)
    torch.set_num_threads(study.shards.threads)
    asked = pinned(study, cell.pair)
    ids = _encoded(study, asked, cell, job, texts)
    pair = ready_pair(asked, device=study.device, gpu_given=study.resources.gpu > 0)
    log(f"{pair.facts['device_name']}: {what} {cell.folder}, job {job.name}")
    _say_ignored(pair, log)
    return Opened(pair, ids)


def _encoded(
    study: Study, pair: Pair, cell: Cell, job: Job, texts: Mapping[int, str]
) -> dict[int, list[int]]:
    wanted = dict.fromkeys(prompt for shard in job.shards for prompt in shard.prompts)
    encoded = check_prompts(
        pair,
        [texts[prompt] for prompt in wanted],
        study.prompt_format,
        max_new_tokens=study.decodings[cell.decoding].max_new_tokens,
    )
    return {prompt: encoded[texts[prompt]] for prompt in wanted}


def _say_ignored(pair: ReadyPair, log: Log) -> None:
    for role, model in (("target", pair.target), ("draft", pair.draft)):
        fields = ignored_fields(model.generation_config)
        if fields:
            named = ", ".join(f"{name} {value}" for name, value in sorted(fields.items()))
            log(
                f"the {role}'s own generation_config ({named}) is not used: "
                "the study's decoding says everything"
            )
