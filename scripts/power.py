"""Say which gaps a study like this one can find: from a cell's tables, for other numbers of terms."""

from pathlib import Path
from typing import Annotated

import typer

from specgap.errors import one_sentence
from specgap.tables.power import power_report


def main(
    tables: Annotated[Path, typer.Argument(help="Folder with a cell's tables, results/tables/PAIR/…")],
    gap: Annotated[
        list[float], typer.Option(min=0.01, max=99, help="Gap in percentage points; may be given again.")
    ] = [5.0, 2.0, 1.0],  # noqa: B006  typer reads the default
    grouping: Annotated[str, typer.Option(help="Another grouping than the main one.")] = "",
) -> None:
    for line in power_report(tables, gap, grouping):
        print(line)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
