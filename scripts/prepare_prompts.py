"""Read the prompt files, join them to their groups, and store them."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import load_prompts, write_prompts


def main(config: Path, output: Path) -> None:
    prompts = load_prompts(load(config))
    for notice in prompts.notices:
        typer.echo(notice, err=True)
    write_prompts(output, prompts)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
