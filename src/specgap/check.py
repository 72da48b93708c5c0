"""Refuse what cannot be meant, before any model is loaded: the config, the prompts, the folders it names."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from specgap import prompts as prompt_sets
from specgap.config import Study, load, parse
from specgap.errors import ConfigError
from specgap.files import write_text
from specgap.models import check_prompts, check_weights
from specgap.models.folders import check_source
from specgap.models.hub import pinned
from specgap.prompts import PromptSet
from specgap.settings import Pair
from specgap.tables.names import without_tokens
from specgap.validation import read_yaml

#: Written into a results folder first, so that specgap never fills a folder of somebody else's.
MARKER = ".specgap"


def study(raw: Any, *, files: Sequence[str]) -> tuple[Study, PromptSet | None]:
    """Validate a config with what it names on this disk, relative to the current folder.

    `raw` is what Snakemake made of `files` and its command line. Returns the study and its prompts, None
    where a rule has yet to fetch them. Models are looked at, not opened.
    """
    for file in files:
        read_yaml(Path(file))  # refuses a key given twice, of which Snakemake keeps the last in silence
    return _checked(parse(raw, source=" and ".join(files) or "the config given to the module"))


def full(path: Path) -> Iterator[str]:
    """Check a config file as `study` does, and each pair's vocabulary, length and tensors; yield findings."""
    checked, prompts = _checked(load(path))
    yield from (f"note: {notice}" for notice in notices(checked))
    texts: list[str] = []
    if prompts:
        texts = list(prompts.texts.values())
        yield from (f"note: {notice}" for notice in prompts.notices)
        yield f"prompts: {len(texts)} distinct in {len(prompts.groups_of(prompts.groupings[0]))} groups"
    else:
        yield "prompts: the workflow will fetch them"
    longest = max(decoding.max_new_tokens for decoding in checked.decodings.values())
    for name, given in checked.pairs.items():
        if given.counts:
            yield f"pair {name}: counts of {given.counts}; no model will be loaded"
            continue
        pair = pinned(checked, name)
        if any(checked.trains(model) for model in (pair.target, pair.draft)):
            yield f"pair {name}: the workflow will train it"
        else:
            check_prompts(pair, texts, checked.prompt_format, max_new_tokens=longest)
            yield f"pair {name}: one vocabulary, and every prompt fits"
            yield from _weights(name, pair)


def _weights(name: str, pair: Pair) -> Iterator[str]:
    """Hold the names and shapes of a pair's tensors to what its models compute with; yield what was found."""
    unread = [model.source for model in pair.models if not check_weights(model)]
    if unread:
        yield f"pair {name}: the weights of {' and '.join(unread)} are not here; a job will check them"
    else:
        yield f"pair {name}: its files hold every tensor"


def notices(checked: Study) -> list[str]:
    """Return what a user should know before the run: keys without effect, settings that are the same run."""
    return [*_without_effect(checked), *_same_runs(checked), *without_tokens(checked)]


def _without_effect(checked: Study) -> Iterator[str]:
    """Yield what is set and changes nothing, or takes more away than its name says."""
    collectors = set(map(checked.collector_of, checked.settings))
    if "tails" in checked.model_fields_set and "replay" not in collectors:
        yield f"tails: {checked.tails} changes nothing, since no setting has collector replay"
    elif checked.tails == "none":
        yield (
            "tails: none leaves draft_acceptance_rate, gamma_mean and the modelled speed-up of settings "
            "without figures empty, and order_effect away"
        )
    if "batch" in checked.model_fields_set and collectors == {"assisted"}:
        yield f"batch: {checked.batch} changes nothing, since assisted generation takes one prompt at a time"


def _same_runs(checked: Study) -> list[str]:
    return [
        f"settings {', '.join(settings)} are the same run under decoding {decoding!r}, which drafts at most "
        f"{checked.decodings[decoding].max_new_tokens - 1} tokens a round; raise max_new_tokens"
        for decoding, settings in checked.settings_that_cannot_differ()
    ]


def start_results(checked: Study, config: Path) -> None:
    """Mark the results folder as specgap's, and write the config that every script reads."""
    folder = Path(checked.results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    write_text(config, checked.model_dump_json() + "\n")


def _checked(parsed: Study) -> tuple[Study, PromptSet | None]:
    _check_results(Path(parsed.results))
    _check_writable(Path(parsed.resources_folder), key="resources_folder")
    _check_prompt_folders(parsed)
    files = prompt_sets.source_files(parsed)
    # A file that the user names has to be there, one that a rule fetches need not.
    readable = not prompt_sets.needs_fetch(parsed) or all(file.is_file() for file in files)
    if parsed.partial and not readable:
        raise ConfigError(
            f"partial is true, but {files[0]} has not been fetched yet; "
            "wanted the study without `partial` to have run for a while"
        )
    prompts = prompt_sets.load_prompts(parsed) if readable else None
    for file in files if parsed.collector == "counts" else ():
        prompt_sets.read_counts(file, name=str(file), groupings=prompt_sets.group_columns(parsed))
    for pair in () if parsed.bundled or parsed.partial else parsed.pairs.values():
        for model in pair.models:
            if not parsed.trains(model):
                check_source(model)
    return parsed, prompts


def _check_results(folder: Path) -> None:
    _check_writable(folder, key="results")
    if not folder.is_dir() or (folder / MARKER).exists():
        return
    # A study may lie in a folder of its own below another's.
    foreign = sorted(entry.name for entry in folder.iterdir() if not (entry / MARKER).exists())
    if foreign:
        raise ConfigError(
            f"results is {str(folder)!r}, which holds {foreign[0]!r} and is not a folder that specgap made; "
            "wanted an empty folder or a free name"
        )


def _check_writable(folder: Path, *, key: str) -> None:
    """Refuse a folder that is, or lies below, something other than a folder that may be written to."""
    places = (folder, *folder.absolute().parents)
    there = next(place for place in places if place.exists() or place.is_symlink())
    if not there.is_dir():
        raise ConfigError(f"{key} is {str(folder)!r}, but {there} is no folder; wanted a free name")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{key} is {str(folder)!r}, but {there} cannot be written to; wanted another")


def _check_prompt_folders(checked: Study) -> None:
    local, dataset = checked.prompts.local, checked.prompts.dataset
    if local and not Path(local).is_dir():
        raise ConfigError(f"prompts.local is {local!r}, which is no folder; wanted one with HONEST's files")
    if dataset and dataset.startswith(("/", "./", "../")) and not Path(dataset).is_dir():
        raise ConfigError(f"prompts.dataset is {dataset!r}, which is no folder; wanted one, or an id")
