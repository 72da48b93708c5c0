"""A prompt file as columns of cells, each row with the place where it stands."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from specgap.errors import PromptError

#: What a cell may hold: JSON lines have more than text.
Cell = object

#: Joins grouping, group and term where a later stage needs one name of them, so no name may hold it.
SEPARATOR = "\x1f"

_LONGEST_SHOWN = 100


class Place(NamedTuple):
    """Where a row stands: the file as the config names it, the row after the header, the line in the file."""

    file: str
    row: int
    line: int

    def __str__(self) -> str:
        return f"{self.file} row {self.row} (line {self.line})"

    @property
    def source(self) -> str:
        """The place as `file:line`, which editors can jump to."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Table:
    """Columns of equal length, and the place of each row."""

    name: str
    columns: dict[str, Sequence[Cell]]
    places: list[Place]

    def require(self, column: str, *, role: str) -> None:
        """Raise a `PromptError` that names the nearest column if this one is missing."""
        if column in self.columns:
            return
        near = nearest(column, self.columns)
        if len(self.columns) == 1 and ";" in next(iter(self.columns)):
            raise PromptError(
                f"{self.name} has no column {column!r} ({role}) but one whose name holds semicolons; "
                "wanted commas, or tabs, between columns"
            )
        hint = f"did you mean {near!r}?" if near else f"wanted one of {', '.join(map(repr, self.columns))}"
        raise PromptError(f"{self.name} has no column {column!r} ({role}); {hint}")

    def labels(self, column: str) -> Iterator[str]:
        """Yield a column's cells as names: text as it is, numbers as written, "" where a cell is empty."""
        for cell, place in zip(self.columns[column], self.places, strict=True):
            yield _label(cell, column, place)


def join(tables: Sequence[Table], columns: Iterable[str]) -> Table:
    """Put tables below each other, with these columns only; each table must have them."""
    return Table(
        name=", ".join(table.name for table in tables),
        columns={
            column: [cell for table in tables for cell in table.columns[column]]
            for column in dict.fromkeys(columns)
        },
        places=[place for table in tables for place in table.places],
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one, if any is."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), None)


def shortened(cell: Cell) -> str:
    """Return a cell as an error shows it: quoted, and cut where it is long."""
    found = repr(cell)
    return found if len(found) <= _LONGEST_SHOWN else f"{found[: _LONGEST_SHOWN - 1]}…"


def _label(cell: Cell, column: str, place: Place) -> str:
    if cell is None or cell == "":
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int | float):
        return str(cell)
    if not isinstance(cell, str):
        raise PromptError(f"{place}: {column!r} is {shortened(cell)}; wanted text or a number")
    if not cell.isascii() or not cell.isprintable():
        _check_characters(cell, column, place)
    return "" if cell.isspace() else cell


def _check_characters(cell: str, column: str, place: Place) -> None:
    unusual = {"\0": "a NUL character", SEPARATOR: "the control character U+001F"}
    found = [what for character, what in unusual.items() if character in cell]
    if any("\ud800" <= character <= "\udfff" for character in cell):
        found.append("half of a surrogate pair")
    if found:
        raise PromptError(
            f"{place}: {column!r} is {shortened(cell)}, which holds {found[0]}; wanted plain text"
        )
