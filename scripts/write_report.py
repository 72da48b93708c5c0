"""Write the report, the methods and the references of a study."""

from pathlib import Path
from typing import Annotated

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.report.study import write_report


def main(config: Path, prompts: Path, done: Annotated[list[Path] | None, typer.Argument()] = None) -> None:
    # Counts of a server are no job's, so there is nothing that says with which libraries they were made.
    write_report(load(config), read_prompts(prompts), done or [])


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
