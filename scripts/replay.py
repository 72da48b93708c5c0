"""Count every setting of a pair and decoding that keeps no records, in one pass over its paths."""

from pathlib import Path

import typer

from specgap.aggregate import save
from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell, state_file
from specgap.prompts import read_prompts
from specgap.replay import replay_swept


def main(config: Path, prompts: Path, pair: str, decoding: str, threads: int = 1) -> None:
    study = load(config)
    results = Path(study.results)
    states = replay_swept(study, pair, decoding, read_prompts(prompts), results=results, threads=threads)
    for setting, state in states.items():
        save(state, state_file(results, Cell(pair, decoding, setting)))


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
