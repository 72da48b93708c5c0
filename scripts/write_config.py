"""Write the checked config that every job of a study reads."""

from pathlib import Path

import typer

from specgap.config import write
from specgap.errors import one_sentence


def main(study: str, output: Path) -> None:
    write(study, output)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
