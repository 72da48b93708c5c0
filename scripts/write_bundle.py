"""Write a finished study, without its token records, as one file."""

from pathlib import Path

import typer

from specgap.bundle import write_bundle
from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts


def main(config: Path, prompts: Path, bundle: Path) -> None:
    n = write_bundle(load(config), read_prompts(prompts), bundle)
    typer.echo(f"{n} files in {bundle}", err=True)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
