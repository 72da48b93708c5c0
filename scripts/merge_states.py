"""Add up the states of a cell's parts."""

from pathlib import Path

import typer

from specgap.aggregate import merge_states, save
from specgap.errors import one_sentence


def main(output: Path, states: list[Path]) -> None:
    save(merge_states(states), output)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
