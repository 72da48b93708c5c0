"""What a job's result depends on, as a digest: the workflow runs a model again only when it has changed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from specgap.config import Study
from specgap.layout import Cell, Job
from specgap.prompts import PromptSet


def trace_identity(study: Study, cell: Cell, job: Job, texts: Mapping[int, str]) -> str:
    """Return a digest of all that the config and the prompts say about a trace job's rows.

    Names, groups and other prompts are not in it; the models' own content is in the shards' fingerprint.
    """
    return _digest(
        study.pairs[cell.pair].model_dump(),
        study.decodings[cell.decoding].model_dump(exclude={"settings"}),
        study.setting(cell.setting).model_dump(exclude={"name"}),
        study.prompt_format.model_dump(),
        [study.collector, study.seed, study.device, study.resources.gpu],
        [[shard.name, [texts[prompt] for prompt in shard.prompts]] for shard in job.shards],
    )


def measure_identity(study: Study, pair: str, prompts: PromptSet) -> str:
    """Return a digest of all that the measures of the prompts under a pair depend on."""
    return _digest(
        study.pairs[pair].model_dump(),
        study.prompt_format.model_dump(),
        [study.device, study.resources.gpu],
        [[row.text, row.term] for row in prompts.rows],
    )


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
