"""Write the report, the methods and the references of a study."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.report.study import write_report


def main(config: Path, prompts: Path, done: list[Path]) -> None:
    write_report(load(config), read_prompts(prompts), done)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
