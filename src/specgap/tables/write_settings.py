"""Writes the tables over the settings of a pair and decoding: those of `names.settings_table_names`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import rust_agg
from specgap.config import OVERALL
from specgap.prompts import PromptSet
from specgap.settings import Setting
from specgap.tables.acceptance import Mode, acceptance
from specgap.tables.best import Swept, best_schedule
from specgap.tables.cross_check import cross_check
from specgap.tables.csv import write_table
from specgap.tables.from_state import discarded_of, histogram_counts, of_grouping, prompt_counts
from specgap.tables.histograms import histograms
from specgap.tables.membership import Group, groups_in
from specgap.tables.names import schedule_key
from specgap.tables.orders import GroupOrder, order_effect
from specgap.tables.schedule_state import schedule_state
from specgap.tables.settings import Part, settings_histograms, settings_table
from specgap.tables.speed import measured_speed_up
from specgap.tables.write import about, write_with_tex


@dataclass(frozen=True)
class SettingState:
    """A setting with its aggregate, how its records came about, and the prompts that it was traced on."""

    setting: Setting
    state: rust_agg.State
    collector: str
    prompts: PromptSet


def write_settings_tables(
    folder: Path,
    *,
    cells: Sequence[SettingState],
    prompts: PromptSet,
    drawn: Sequence[str],
    mode: Mode,
    cost_ratio: float | None,
) -> list[Path]:
    """Write `settings`, `histograms` and `best_schedule` of one pair and decoding.

    `cells` are in the config's order, `prompts` those of the study; `drawn` names the settings that have
    figures, whose histograms are laid over each other.
    """
    parts, swept, by_setting = [], [], {}
    beside = _beside_others(cells, prompts)
    for cell in cells:
        counts, discarded = prompt_counts(cell.state), discarded_of(cell.state)
        compared = cell.setting.name in beside
        if compared:
            swept.append(Swept(cell.setting, counts, has_drafted=discarded != "unknown"))
        for grouping, groups in _main_groups(cell.prompts).items():
            frame = acceptance(counts, groups, mode=mode, discarded=discarded, cost_ratio=cost_ratio)
            parts.append(Part(cell.setting, cell.collector, compared, grouping, frame))
        if cell.setting.name in drawn:
            everyone = groups_in(cell.prompts, OVERALL)
            overall = of_grouping(histogram_counts(cell.state), OVERALL, everyone)
            by_setting[cell.setting.name] = histograms(overall, everyone, mode=mode)
    best = best_schedule(swept, _main_groups(prompts), mode=mode, cost_ratio=cost_ratio)
    written = _write(folder, "settings", settings_table(parts), prompts, mode)
    write_table(folder / "histograms.csv", settings_histograms(by_setting))
    return [*written, folder / "histograms.csv", *_write(folder, "best_schedule", best, prompts, mode)]


def write_cross_check(
    folder: Path, *, pairs: Sequence[tuple[SettingState, SettingState]], prompts: PromptSet, mode: Mode
) -> list[Path]:
    """Write `cross_check`; each pair is a replayed setting and the same one traced by real rounds.

    `prompts` are those of the study; those that real rounds traced are compared.
    """
    frames = []
    for replayed, checked in pairs:
        frame = cross_check(
            prompt_counts(replayed.state),
            prompt_counts(checked.state),
            _main_groups(prompts),
            mode=mode,
            discarded=discarded_of(replayed.state),
        )
        names = {"replayed": replayed.setting.name, "checked": checked.setting.name}
        frames.append(frame.assign(**names, collector=checked.collector))
    table = pd.concat(frames, ignore_index=True)
    return _write(folder, "cross_check", table, prompts, mode)


def write_schedule_state(
    folder: Path, *, round_files: Sequence[Path], setting: str, prompts: PromptSet, mode: Mode
) -> list[Path]:
    """Write `schedule_state` from the rounds of a stored heuristic setting."""
    path = folder / "schedule_state.csv"
    write_table(path, schedule_state(round_files, setting=setting, mode=mode, pilot=prompts.pilot))
    return [path]


def write_order_effect(
    folder: Path,
    *,
    by_order: Sequence[tuple[GroupOrder, rust_agg.State]],
    fixed: rust_agg.State,
    setting: str,
    prompts: PromptSet,
    mode: Mode,
) -> list[Path]:
    """Write `order_effect`; `fixed` is the setting with γ reset, `by_order` has it carried through orders."""
    table = order_effect(
        [(order, prompt_counts(state)) for order, state in by_order],
        prompt_counts(fixed),
        groups_in(prompts, prompts.groupings[0]),
        setting=setting,
        mode=mode,
    )
    path = folder / "order_effect.csv"
    write_table(path, table)
    return [path]


def write_measured_speed_up(
    folder: Path,
    *,
    plain: pd.DataFrame,
    assisted: Mapping[str, tuple[pd.DataFrame, str]],
    plain_device: str,
    prompts: PromptSet,
    mode: Mode,
) -> list[Path]:
    """Write `measured_speed_up`; `assisted` gives each setting's timings and the name of its device."""
    frames = [
        measured_speed_up(
            plain, timings, _main_groups(prompts), setting=name, devices=(plain_device, device), mode=mode
        )
        for name, (timings, device) in assisted.items()
    ]
    return _write(folder, "measured_speed_up", pd.concat(frames, ignore_index=True), prompts, mode)


def _main_groups(prompts: PromptSet) -> dict[str, list[Group]]:
    return {grouping: groups_in(prompts, grouping) for grouping in (prompts.groupings[0], OVERALL)}


def _beside_others(cells: Sequence[SettingState], prompts: PromptSet) -> set[str]:
    """Return the settings that may be compared: traced on all prompts, and the first of their schedule."""
    first: dict[tuple[Any, ...], str] = {}
    for cell in cells:
        if cell.prompts.distinct == prompts.distinct:
            first.setdefault(schedule_key(cell.setting), cell.setting.name)
    return set(first.values())


def _write(folder: Path, name: str, frame: pd.DataFrame, prompts: PromptSet, mode: Mode) -> list[Path]:
    return write_with_tex(folder / f"{name}.csv", name, frame, about(prompts, mode))
