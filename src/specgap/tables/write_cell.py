"""Writes the tables of a cell whose tokens were recorded: those of its counts, and of tokens with q > p."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import rust_agg
from specgap.config import OVERALL
from specgap.layout import table_file
from specgap.prompts import PromptSet
from specgap.tables.acceptance import Mode, acceptance
from specgap.tables.calibration import calibration
from specgap.tables.cell import CellCounts
from specgap.tables.distinctive import Choice, distinctive_tokens
from specgap.tables.from_state import of_grouping, surer_counts, token_counts
from specgap.tables.histograms import histograms, joint_histogram
from specgap.tables.membership import Group, groups_in
from specgap.tables.names import SURER_TABLE, has_table
from specgap.tables.positions import acceptance_by_position
from specgap.tables.surer import surer_tokens
from specgap.tables.surer_records import read_surer
from specgap.tables.write import about, write_with_tex


def write_cell_tables(
    folder: Path,
    *,
    counts: CellCounts,
    prompts: PromptSet,
    mode: Mode,
    ratio: float,
    cost_ratio: float | None,
) -> list[Path]:
    """Write what the counts of a pair, decoding and setting say; return the paths of `cell_table_names`.

    `ratio` is the config's `over_confident_ratio`, `cost_ratio` that of `tables.cost`.
    """
    cell, written = _Cell(folder, prompts, mode, ratio), []
    for grouping in (*prompts.groupings, OVERALL):
        frames = _group_tables(counts, grouping, groups_in(prompts, grouping), mode, cost_ratio)
        for name, frame in frames.items():
            written += cell.write(name, grouping, frame)
    frame = calibration(counts.calibration, mode=mode, pilot=prompts.pilot)
    return written + cell.write("calibration", prompts.groupings[0], frame)


def write_surer_tables(
    folder: Path,
    *,
    state: rust_agg.State,
    prompts: PromptSet,
    vocabulary: Mapping[int, str],
    trace_files: Sequence[Path] | None,
    round_files: Sequence[Path] | None,
    mode: Mode,
    ratio: float,
    prior: float,
    seed: int,
) -> list[Path]:
    """Write the tokens with q > p of a cell; return the paths of `names.surer_table_names`.

    `vocabulary` gives each token's text in readable form. `trace_files` and `round_files` hold the same
    shards in the same order; None where the setting has no records, which leaves the columns that need them
    empty. `prior` is the config's `statistics.token_prior`, `seed` that of the intervals.
    """
    cell, tokens = _Cell(folder, prompts, mode, ratio), token_counts(state)
    written = []
    for grouping in (*prompts.groupings, OVERALL):
        groups, records = groups_in(prompts, grouping), None
        if trace_files is not None and round_files is not None:
            records = read_surer(trace_files, round_files, groups, prompts.distinct)
        counts = surer_counts(tokens, grouping, groups)
        frame = surer_tokens(counts, records, groups, vocabulary=vocabulary, texts=prompts.texts, mode=mode)
        written += cell.write(SURER_TABLE, grouping, frame)
        if has_table("distinctive_tokens", grouping, prompts.groupings):
            frame = distinctive_tokens(
                tokens,
                grouping,
                groups,
                vocabulary=vocabulary,
                mode=mode,
                seed=seed,
                choice=Choice(prior_total=prior),
            )
            written += cell.write("distinctive_tokens", grouping, frame)
    return written


@dataclass(frozen=True)
class _Cell:
    folder: Path
    prompts: PromptSet
    mode: Mode
    ratio: float

    def write(self, name: str, grouping: str, frame: pd.DataFrame) -> list[Path]:
        path = table_file(self.folder, name, grouping, main=self.prompts.groupings[0])
        notes = [*about(self.prompts, self.mode), f"Over-confident: q ≥ {self.ratio:g} p."]
        return write_with_tex(path, name, frame, notes)


def _group_tables(
    counts: CellCounts, grouping: str, groups: Sequence[Group], mode: Mode, cost_ratio: float | None
) -> dict[str, pd.DataFrame]:
    joint = of_grouping(counts.joint_histogram, grouping, groups)
    return {
        "acceptance": acceptance(
            counts.prompts, groups, mode=mode, discarded=counts.discarded, cost_ratio=cost_ratio
        ),
        "acceptance_by_position": acceptance_by_position(counts.positions, counts.prompts, groups, mode=mode),
        "histograms": histograms(of_grouping(counts.histograms, grouping, groups), groups, mode=mode),
        "joint_histogram": joint_histogram(joint, groups, mode=mode),
    }
