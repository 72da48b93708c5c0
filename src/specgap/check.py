"""Refuse what cannot be meant, before any model is loaded: the config, the prompts, the folders it names."""

from pathlib import Path
from typing import Any

from specgap import prompts as prompt_sets
from specgap.config import Study, parse
from specgap.errors import ConfigError

#: Written into a results folder first, so that specgap never fills a folder of somebody else's.
MARKER = ".specgap"


def study(raw: Any, *, source: str, root: Path = Path()) -> Study:
    """Validate a config with what it names on this disk; return the study.

    Prompt files are read unless a rule has yet to fetch them. Models are not opened.
    """
    checked = parse(raw, source=source)
    _check_results(root / checked.results)
    if not prompt_sets.needs_fetch(checked):
        prompt_sets.load_prompts(checked, root=root)
    return checked


def notices(checked: Study) -> list[str]:
    """Return what a user should know before the run: settings that the length limit makes the same run."""
    return [
        f"settings {', '.join(settings)} are the same run under decoding {decoding!r}, which drafts at most "
        f"{checked.decodings[decoding].max_new_tokens - 1} tokens a round; raise max_new_tokens"
        for decoding, settings in checked.settings_that_cannot_differ()
    ]


def mark_results(folder: Path) -> None:
    """Mark a folder as specgap's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _check_results(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(
            f"results is {str(folder)!r}, which is a file; wanted a folder or a name that is free"
        )
    if folder.is_dir() and not (folder / MARKER).exists() and any(folder.iterdir()):
        first = min(entry.name for entry in folder.iterdir())
        raise ConfigError(
            f"results is {str(folder)!r}, which holds {first!r} and is not a folder that specgap made; "
            "wanted an empty folder or a name that is free"
        )
