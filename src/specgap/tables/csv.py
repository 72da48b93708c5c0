"""CSV as every table has it: UTF-8, LF, RFC 4180 quotes.

Numbers stand in full precision; a missing value is an empty cell. Read with `read_table`: text stays text, so
a group named `NA`, `1` or `=1+1` comes back as it was.
"""

import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from specgap.errors import TableError
from specgap.files import write_text

#: Columns that hold text, whatever it looks like. Every other column holds numbers or true/false.
TEXT = frozenset(
    {
        "among",
        "average_setting",
        "best_setting",
        "checked",
        "claim",
        "collector",
        "component",
        "device",
        "different_a",
        "different_b",
        "draft",
        "example",
        "group",
        "group_a",
        "group_b",
        "grouping",
        "mode",
        "note",
        "pair",
        "pair_a",
        "pair_b",
        # An id of 64 bits, which a column with empty cells would round.
        "prompt",
        "quantity",
        "replaced_by",
        "replayed",
        "scale",
        "schedule",
        "series",
        "setting",
        "stratum",
        "support",
        "target",
        "term",
        "text",
        "unit",
        "verdict",
        "weight",
    }
)
_NEEDS_QUOTES = frozenset(',"\r\n')
_TRUTH = {"true": True, "false": False}


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write `frame` without its index to `path`, whole or not at all.

    None and NaN become empty cells; a number that is infinite is an error of the program, never a cell.
    """
    columns = [_cells(name, frame[name]) for name in frame.columns]
    lines = [",".join(_quoted(name) for name in frame.columns)]
    # A line of one empty cell would be no line at all.
    lines += [",".join(row) or '""' for row in zip(*columns, strict=True)]
    write_text(path, "\n".join(lines) + "\n")


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of specgap.

    Text columns (`TEXT`) come as strings, "" where empty, all others as int64, float64 or bool. A column of
    whole numbers with empty cells becomes float64 with NaN.
    """
    if not path.is_file():
        raise TableError(f"{path}: there is no such table")
    # A prompt, and thus a cell, may be longer than the csv module's default limit.
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, strict=True))
    if not rows:
        raise TableError(f"{path}: the file is empty; wanted a line of column names")
    head, body = rows[0], rows[1:]
    for number, row in enumerate(body, start=1):
        if len(row) != len(head):
            raise TableError(
                f"{path}: row {number} has {len(row)} cells; wanted {len(head)}, one for each column"
            )
    columns = list(zip(*body, strict=True)) if body else [()] * len(head)
    return pd.DataFrame(
        {name: _parsed(path, name, list(cells)) for name, cells in zip(head, columns, strict=True)}
    )


def _cells(name: str, column: pd.Series) -> Iterator[str]:
    return (_cell(name, value) for value in column.tolist())


def _cell(name: str, value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return _number(name, float(value))
    raise TypeError(f"column {name}: {value!r} is neither text nor a number")


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return ""
    if math.isinf(value):
        raise ValueError(f"column {name}: {value} must not reach a table")
    return repr(value)


def _quoted(text: str) -> str:
    if not _NEEDS_QUOTES.intersection(text) and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def _parsed(path: Path, name: str, cells: list[str]) -> pd.Series:
    if name in TEXT:
        return pd.Series(cells, dtype=object)
    try:
        if cells and all(cell in _TRUTH for cell in cells):
            return pd.Series([_TRUTH[cell] for cell in cells], dtype=bool)
        if cells and all(cell.lstrip("-").isdecimal() for cell in cells):
            return pd.Series([int(cell) for cell in cells], dtype="int64")
        return pd.Series([float(cell) if cell else math.nan for cell in cells], dtype="float64")
    except ValueError as error:
        raise TableError(f"{path}: column {name}: {error}; wanted numbers") from error
