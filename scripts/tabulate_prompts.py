"""Write the table of prompts by group."""

from pathlib import Path

import typer

from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.tables.write import write_prompts_tables


def main(prompts: Path, folder: Path) -> None:
    write_prompts_tables(folder, read_prompts(prompts))


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
