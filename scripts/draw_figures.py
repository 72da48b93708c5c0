"""Draw the figures of a cell that have changed, or the one that is named."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.figures.cells import draw_cell, draw_named
from specgap.figures.spec import specs_from_json
from specgap.layout import Cell
from specgap.prompts import read_prompts


def main(
    config: Path, prompts: Path, specs: str, pair: str, decoding: str, setting: str, only: str = ""
) -> None:
    study, cell, known = load(config), Cell(pair, decoding, setting), read_prompts(prompts)
    if only:
        draw_named(study, cell, known, specs_from_json(specs), only)
    else:
        outcome = draw_cell(study, cell, known, specs_from_json(specs))
        typer.echo(f"{len(outcome.drawn)} figures drawn, {len(outcome.kept)} kept", err=True)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
