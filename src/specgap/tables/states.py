"""The aggregates of settings, read for the tables over settings."""

from collections.abc import Iterable
from pathlib import Path

from specgap.aggregate import load
from specgap.config import Study
from specgap.layout import Cell, state_file
from specgap.prompts import PromptSet, limited
from specgap.settings import Setting
from specgap.tables.write_settings import SettingState


def read_states(
    study: Study, pair: str, decoding: str, prompts: PromptSet, settings: Iterable[Setting]
) -> list[SettingState]:
    """Read the states of settings of a pair and decoding, each with the prompts that it was traced on."""
    return [
        SettingState(
            setting,
            load(state_file(Path(study.results), Cell(pair, decoding, setting.name))),
            study.collector_of(setting),
            limited(prompts, setting.limit),
        )
        for setting in settings
    ]
