"""Writes the tables that rest on counts of prompts, and what every table is written with."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from specgap.config import OVERALL
from specgap.layout import table_file
from specgap.prompts import PromptSet
from specgap.tables import headings
from specgap.tables.acceptance import Mode, acceptance
from specgap.tables.counts import PromptCounts
from specgap.tables.csv import write_table
from specgap.tables.membership import Group, groups_in
from specgap.tables.names import TOKEN_TABLES, WITH_TEX
from specgap.tables.prompts import prompts_by_group
from specgap.tables.surer import top_tokens
from specgap.tables.tex import write_tex

#: Rows of each group and verdict in `surer_tokens.tex`.
TOP_TOKENS = 5


def write_acceptance_tables(
    folder: Path, *, counts: PromptCounts, prompts: PromptSet, mode: Mode, cost_ratio: float | None
) -> list[Path]:
    """Write `acceptance.csv` of every grouping; return the paths."""

    def table(groups: list[Group]) -> pd.DataFrame:
        return acceptance(
            counts.prompts,
            groups,
            mode=mode,
            discarded=counts.discarded,
            cost_ratio=cost_ratio,
            has_tokens=counts.has_tokens,
        )

    return write_groupings(folder, "acceptance", table, prompts=prompts, mode=mode)


def write_groupings(
    folder: Path, name: str, table: Callable[[list[Group]], pd.DataFrame], *, prompts: PromptSet, mode: Mode
) -> list[Path]:
    """Write one table of every grouping, made of the grouping's groups; return the paths."""
    written = []
    for grouping in (*prompts.groupings, OVERALL):
        path = table_file(folder, name, grouping, main=prompts.groupings[0])
        written += write_with_tex(path, name, table(groups_in(prompts, grouping)), about(prompts, mode))
    return written


def write_prompts_tables(folder: Path, prompts: PromptSet) -> list[Path]:
    """Write the table of prompts by group."""
    path = folder / "prompts.csv"
    return write_with_tex(path, "prompts", prompts_by_group(prompts), about(prompts, None))


def write_with_tex(path: Path, name: str, frame: pd.DataFrame, notes: Sequence[str]) -> list[Path]:
    """Write a table's CSV and, of `names.WITH_TEX`, what a paper prints of it beside it; return the paths."""
    write_table(path, frame)
    if name not in WITH_TEX:
        return [path]
    printed, shown = path.with_suffix(".tex"), headings.TABLES[name]
    rows = top_tokens(frame, TOP_TOKENS) if name in TOKEN_TABLES else frame
    write_tex(printed, rows, shown.columns, caption=shown.caption, notes=[*notes, headings.ROUNDED])
    return [path, printed]


def about(prompts: PromptSet, mode: Mode | None) -> list[str]:
    """Return what stands below every printed table: the mode, if it has one, and that it is a pilot."""
    said = [] if mode is None else [f"Decoding: {mode}."]
    return said if prompts.pilot is None else [*said, f"Pilot of {prompts.pilot} prompts per group."]
