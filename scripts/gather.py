"""Take over the whole shards there are so far of a run that is still being traced."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.gather import gather
from specgap.layout import Cell
from specgap.prompts import read_prompts


def main(config: Path, prompts: Path, pair: str, decoding: str, setting: str) -> None:
    cell = Cell(pair, decoding, setting)
    gather(load(config), cell, read_prompts(prompts), log=lambda line: typer.echo(line, err=True))


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
