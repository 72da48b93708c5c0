"""Say which gaps a study like this one can find: from cells' tables, for other numbers of terms."""

from pathlib import Path
from typing import Annotated

import typer

from specgap.errors import one_sentence
from specgap.tables.power import power_report


def main(
    tables: Annotated[list[Path], typer.Argument(help="Folders with a cell's tables, results/tables/PAIR/…")],
    gap: Annotated[
        list[float], typer.Option(min=0.01, max=99, help="Gap in percentage points; may be given again.")
    ] = [5.0, 2.0, 1.0],  # noqa: B006  typer reads the default
    sizes: Annotated[
        tuple[int, int] | None, typer.Option(help="Terms of two groups, as in --sizes 2 12.")
    ] = None,
    grouping: Annotated[str, typer.Option(help="Another grouping than the main one.")] = "",
) -> None:
    for folder in tables:
        if len(tables) > 1:
            print(f"{folder}:")
        for line in power_report(folder, gap, grouping, sizes=sizes):
            print(line)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
