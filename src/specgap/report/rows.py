"""Tables as a page shows them: rounded, with the value to sort by beside each number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from specgap.figures.visible import one_line
from specgap.tables.csv import TEXT, read_table
from specgap.tables.headings import TABLES
from specgap.tables.tex import Column

#: Columns whose words are names a user gave, or tokens: set apart from the direction of the text around them.
_NAMES = frozenset(
    {
        *("group", "group_a", "group_b", "text", "replaced_by"),
        *("pair", "pair_a", "pair_b", "target", "draft"),
        *("setting", "best_setting", "average_setting", "replayed", "checked"),
    }
)


@dataclass(frozen=True)
class Cell:
    """A cell: what is shown, the number to sort by (None for words), whether it is a name."""

    shown: str
    number: float | None
    is_name: bool


@dataclass(frozen=True)
class HtmlTable:
    """A table of a page; `link` leads to its CSV, beside which the page lies."""

    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    link: str


def html_table(path: Path, kind: str, *, title: str, link: str, top: int | None = None) -> HtmlTable:
    """Return a CSV with the columns of its TeX table; `top` keeps so many per group and verdict."""
    frame = read_table(path)
    if top is not None:
        frame = frame.groupby(["group", "verdict"], sort=False).head(top)
    columns = [column for column in TABLES[kind].columns if column.name in frame.columns]
    rows = tuple(tuple(_cell(row[column.name], column) for column in columns) for row in _records(frame))
    return HtmlTable(title, TABLES[kind].caption, tuple(column.heading for column in columns), rows, link)


def _records(frame: pd.DataFrame) -> Sequence[dict[Any, Any]]:
    return frame.to_dict("records")


def _cell(value: object, column: Column) -> Cell:
    if column.name in TEXT:
        return Cell(one_line(str(value)), None, column.name in _NAMES)
    number = float(str(value))
    if math.isnan(number):
        return Cell("–", None, False)
    shown = f"{number:,.0f}" if column.decimals is None else f"{number:.{column.decimals}f}"
    return Cell(shown.replace("-", "−"), number, False)
