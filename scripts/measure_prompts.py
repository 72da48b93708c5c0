"""Measure the prompts under a pair of models, and store its vocabulary in readable form."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.models.measure import write_measures
from specgap.prompts import load_prompts


def main(config: Path, pair: str, measures: Path, vocabulary: Path) -> None:
    study = load(config)
    write_measures(study, pair, load_prompts(study), measures=measures, vocabulary=vocabulary)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
