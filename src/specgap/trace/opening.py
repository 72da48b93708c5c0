"""What every trace job begins with: prompts as token ids, a loaded pair, and what its rows depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import transformers

from specgap.config import Study
from specgap.files import digest_of
from specgap.layout import Cell, Job
from specgap.models import ReadyPair, check_prompts, ready_pair
from specgap.models.encoding import PROBE, encode, end_taken_off
from specgap.models.hub import pinned
from specgap.settings import Pair, PromptFormat
from specgap.trace.assisted import check_transformers, ignored_fields
from specgap.trace.progress import Log
from specgap.trace.shards import Tokens


@dataclass(frozen=True)
class Opened:
    """A loaded pair, and prompt to token ids."""

    pair: ReadyPair
    ids: Mapping[int, list[int]]

    def tokens_of(self, job: Job) -> dict[str, Tokens | None]:
        """Return what the models get for the prompts of each shard of a job, by the shard's name."""
        return {shard.name: Tokens.of(shard.prompts, self.ids) for shard in job.shards}

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
    facts = pair.facts | _facts_of_prompts(pair, texts[next(iter(ids))], study.prompt_format)
    return Opened(replace(pair, facts=facts), ids)


def _facts_of_prompts(pair: ReadyPair, text: str, prompt_format: PromptFormat) -> dict[str, str | None]:
    """Return how prompts become ids: the digest of a probe's, and the EOS taken off `text` as off all."""
    eos = pair.eos_of_prompts
    try:
        probe = encode(pair.tokenizer, PROBE, prompt_format, eos=eos)
    # A tokenizer of few words need not take every text; the prompts themselves have passed.
    except Exception:
        probe = []
    end = end_taken_off(pair.tokenizer, text, prompt_format, eos=eos)
    return {"probe_xxh3_128": digest_of(probe), "end_taken_off": end}


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
