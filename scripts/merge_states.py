"""Add up the states of a cell's parts, whose jobs have to go together."""

from pathlib import Path

import typer

from specgap.aggregate import merge_states, save
from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell, done_file, jobs_of
from specgap.prompts import read_prompts
from specgap.trace.done import read_alike


def main(
    config: Path, pair: str, decoding: str, setting: str, prompts: Path, output: Path, states: list[Path]
) -> None:
    study, cell = load(config), Cell(pair, decoding, setting)
    jobs = jobs_of(study, cell, read_prompts(prompts))
    read_alike(done_file(Path(study.results), cell, job.name) for job in jobs)
    save(merge_states(states), output)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
