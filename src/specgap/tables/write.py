"""Writes the tables of a cell, of the settings of a pair, and of the prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import rust_agg
from specgap.config import OVERALL
from specgap.layout import table_file
from specgap.prompts import PromptSet
from specgap.settings import Setting
from specgap.tables import headings
from specgap.tables.acceptance import Mode, acceptance
from specgap.tables.calibration import calibration
from specgap.tables.counts import Counts, total
from specgap.tables.csv import write_table
from specgap.tables.differences import group_differences
from specgap.tables.from_state import CellCounts, cell_counts, of_grouping, surer_counts
from specgap.tables.histograms import histograms, joint_histogram
from specgap.tables.membership import Group, groups_in
from specgap.tables.names import WITH_TEX, has_table
from specgap.tables.positions import acceptance_by_position
from specgap.tables.prompts import prompts_by_group
from specgap.tables.settings import settings_histograms, settings_table
from specgap.tables.surer import surer_tokens, top_tokens
from specgap.tables.surer_records import read_surer
from specgap.tables.tex import write_tex

#: Rows of each group and verdict in `surer_tokens.tex`.
TOP_TOKENS = 5


def write_cell_tables(
    folder: Path,
    *,
    state: rust_agg.State,
    prompts: PromptSet,
    vocabulary: Mapping[int, str],
    trace_files: Sequence[Path] | None,
    round_files: Sequence[Path] | None,
    mode: Mode,
    ratio: float,
) -> list[Path]:
    """Write all tables of one pair, decoding and setting; return the paths of `names.cell_table_names`.

    `vocabulary` gives each token's text in readable form. `trace_files` and `round_files` hold the same
    shards in the same order; None where the setting has no records, which leaves the columns that need them
    empty.
    """
    cell = _Cell(folder, cell_counts(state), prompts, mode, ratio)
    written = []
    for grouping in (*prompts.groupings, OVERALL):
        groups = groups_in(prompts, grouping)
        for name, frame in _group_tables(
            cell, grouping, groups, vocabulary, trace_files, round_files
        ).items():
            if has_table(name, grouping):
                written += cell.write(name, grouping, frame)
    frame = calibration(cell.counts.calibration, mode=mode, pilot=prompts.pilot)
    return written + cell.write("calibration", prompts.groupings[0], frame)


def write_settings_tables(
    folder: Path, *, cells: Mapping[str, tuple[Setting, rust_agg.State]], prompts: PromptSet, mode: Mode
) -> list[Path]:
    """Write the tables over the settings of one pair and decoding; `cells` are in the config's order."""
    parts, by_setting = [], {}
    for name, (setting, state) in cells.items():
        counts = cell_counts(state)
        for grouping in (prompts.groupings[0], OVERALL):
            frame = acceptance(counts.prompts, groups_in(prompts, grouping), mode=mode)
            parts.append((setting, grouping, frame))
        everyone = groups_in(prompts, OVERALL)
        overall = of_grouping(counts.histograms, OVERALL, everyone)
        by_setting[name] = histograms(overall, everyone, mode=mode)
    table = settings_table(parts)
    write_table(folder / "settings.csv", table)
    _write_tex(folder / "settings.tex", "settings", table, _about(prompts, mode))
    write_table(folder / "histograms.csv", settings_histograms(by_setting))
    return [folder / "settings.csv", folder / "settings.tex", folder / "histograms.csv"]


def write_prompts_tables(folder: Path, prompts: PromptSet) -> list[Path]:
    """Write the table of prompts by group."""
    table = prompts_by_group(prompts)
    write_table(folder / "prompts.csv", table)
    _write_tex(folder / "prompts.tex", "prompts", table, _about(prompts, None))
    return [folder / "prompts.csv", folder / "prompts.tex"]


@dataclass(frozen=True)
class _Cell:
    folder: Path
    counts: CellCounts
    prompts: PromptSet
    mode: Mode
    ratio: float

    def write(self, name: str, grouping: str, frame: pd.DataFrame) -> list[Path]:
        path = table_file(self.folder, name, grouping, main=self.prompts.groupings[0])
        write_table(path, frame)
        if name not in WITH_TEX:
            return [path]
        shown = top_tokens(frame, TOP_TOKENS) if name == "surer_tokens" else frame
        notes = [*_about(self.prompts, self.mode), f"Over-confident: q ≥ {self.ratio:g} p."]
        _write_tex(path.with_suffix(".tex"), name, shown, notes)
        return [path, path.with_suffix(".tex")]


def _group_tables(
    cell: _Cell,
    grouping: str,
    groups: Sequence[Group],
    vocabulary: Mapping[int, str],
    trace_files: Sequence[Path] | None,
    round_files: Sequence[Path] | None,
) -> dict[str, pd.DataFrame]:
    counts, mode = cell.counts, cell.mode
    totals = [total(counts.prompts.get(prompt, Counts()) for prompt in group.prompts) for group in groups]
    records = None
    if trace_files is not None and round_files is not None:
        records = read_surer(trace_files, round_files, groups, cell.prompts.distinct)
    return {
        "acceptance": acceptance(counts.prompts, groups, mode=mode),
        "acceptance_by_position": acceptance_by_position(counts.positions, counts.prompts, groups, mode=mode),
        "group_differences": group_differences(groups, totals, mode=mode),
        "surer_tokens": surer_tokens(
            surer_counts(counts.tokens, grouping, groups),
            records,
            groups,
            vocabulary=vocabulary,
            texts=cell.prompts.texts,
            mode=mode,
        ),
        "histograms": histograms(of_grouping(counts.histograms, grouping, groups), groups, mode=mode),
        "joint_histogram": joint_histogram(
            of_grouping(counts.joint_histogram, grouping, groups), groups, mode=mode
        ),
    }


def _write_tex(path: Path, name: str, frame: pd.DataFrame, notes: Sequence[str]) -> None:
    shown = headings.TABLES[name]
    write_tex(path, frame, shown.columns, caption=shown.caption, notes=[*notes, headings.ROUNDED])


def _about(prompts: PromptSet, mode: Mode | None) -> list[str]:
    about = [] if mode is None else [f"Decoding: {mode}."]
    return about if prompts.pilot is None else [*about, f"Pilot of {prompts.pilot} prompts per group."]
