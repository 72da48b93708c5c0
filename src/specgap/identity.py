"""What a job's result depends on, as a digest: the workflow runs a model again only when it has changed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from specgap.config import Study
from specgap.layout import Cell, Job
from specgap.models.folders import deciding_names
from specgap.prompts import PromptSet
from specgap.schedules import tail_settings
from specgap.settings import SCHEDULE_KEYS, Setting


def trace_identity(study: Study, cell: Cell, job: Job, texts: Mapping[int, str]) -> str:
    """Return a digest of all that the config and the prompts say about a trace job's rows.

    Names, groups and other prompts are not in it; the models' own content is in the shards' fingerprint.
    """
    setting = study.setting(cell.setting)
    return _digest(*_run(study, cell, job, texts), [study.collector_of(setting), *_schedules([setting])])


def path_identity(study: Study, cell: Cell, job: Job, texts: Mapping[int, str]) -> str:
    """Return a digest of all that a job's paths depend on: no setting is in it."""
    return _digest(*_run(study, cell, job, texts))


def tail_identity(study: Study, decoding: str) -> str:
    """Return a digest of what tails depend on beside their paths: how far any setting wants them."""
    return _digest(*(_schedules(tail_settings(study, decoding, full=full)) for full in (False, True)))


def replay_identity(settings: Iterable[Setting], prompts: PromptSet) -> str:
    """Return a digest of what replayed settings depend on beside paths and tails, with their names."""
    settings = list(settings)
    order = list(prompts.distinct) if any(setting.carry_state for setting in settings) else None
    return _digest([setting.name for setting in settings], _schedules(settings), order)


def measure_identity(study: Study, pair: str, prompts: PromptSet) -> str:
    """Return a digest of all that the measures of the prompts under a pair depend on."""
    return _digest(*_models(study, pair), [[row.text, row.term] for row in prompts.rows])


def _run(study: Study, cell: Cell, job: Job, texts: Mapping[int, str]) -> list[Any]:
    return [
        *_models(study, cell.pair),
        study.decodings[cell.decoding].model_dump(exclude={"settings"}),
        study.seed,
        [[shard.name, [texts[prompt] for prompt in shard.prompts]] for shard in job.shards],
    ]


def _models(study: Study, pair: str) -> list[Any]:
    both = study.pairs[pair]
    # A model that a rule trains has no files at first; that it was trained again is seen by its times.
    folders = [deciding_names(model.source) for model in (both.target, both.draft) if not study.trains(model)]
    placed = [study.device, study.resources.gpu]
    return [both.model_dump(), folders, study.prompt_format.model_dump(), placed]


def _schedules(settings: Iterable[Setting]) -> list[dict[str, Any]]:
    return [setting.model_dump(include=set(SCHEDULE_KEYS)) for setting in settings]


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
