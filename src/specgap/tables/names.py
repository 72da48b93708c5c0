"""Which files the tables of a cell are, known before anything is counted, as a workflow wants it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from specgap.config import OVERALL
from specgap.layout import table_file

#: Tables with a row per group, or more, written for every grouping.
GROUP_TABLES = (
    "acceptance",
    "acceptance_by_position",
    "group_differences",
    "surer_tokens",
    "histograms",
    "joint_histogram",
)
#: Tables that know no groups.
PLAIN_TABLES = ("calibration",)
#: Tables that go into a paper: a booktabs `.tex` stands beside their CSV.
WITH_TEX = frozenset(
    {
        "acceptance",
        "acceptance_by_position",
        "group_differences",
        "surer_tokens",
        "calibration",
        "settings",
        "prompts",
    }
)


def cell_table_names(groupings: Sequence[str]) -> list[str]:
    """Return the names of all files that the tables of one cell are written to, in that order.

    `groupings` are the study's, the main one first; the tables of all prompts together come with them.

    >>> [name for name in cell_table_names(["category"]) if name.startswith("acceptance.")]
    ['acceptance.csv', 'acceptance.tex']
    """
    names = []
    for grouping in (*groupings, OVERALL):
        for table in GROUP_TABLES:
            if has_table(table, grouping):
                names += _with_tex(table, table_file(Path(), table, grouping, main=groupings[0]).name)
    for table in PLAIN_TABLES:
        names += _with_tex(table, f"{table}.csv")
    return names


def settings_table_names() -> list[str]:
    """Return the names of all files that the tables over settings are written to.

    >>> settings_table_names()
    ['settings.csv', 'settings.tex', 'histograms.csv']
    """
    return [*_with_tex("settings", "settings.csv"), "histograms.csv"]


def prompts_table_names() -> list[str]:
    """Return the names of the files that the table of prompts is written to."""
    return _with_tex("prompts", "prompts.csv")


def has_table(table: str, grouping: str) -> bool:
    """Return whether a grouping has a table: all prompts together have no differences between groups."""
    return not (table == "group_differences" and grouping == OVERALL)


def only_csv(names: Iterable[str]) -> list[str]:
    """Return those of `names` that are CSV files."""
    return [name for name in names if name.endswith(".csv")]


def _with_tex(table: str, csv: str) -> list[str]:
    return [csv, f"{csv.removesuffix('.csv')}.tex"] if table in WITH_TEX else [csv]
