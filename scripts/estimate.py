"""Time the collectors on two prompts per group, and say what the study will cost."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.costs import as_lines
from specgap.errors import ConfigError, one_sentence
from specgap.estimate import estimate
from specgap.prompts import load_prompts


def main(config: Path) -> None:
    study = load(config)
    if study.collector == "counts":
        raise ConfigError(
            f"{config}: collector counts traces nothing; wanted a study to estimate the cost of"
        )
    for line in as_lines(estimate(study, load_prompts(study))):
        print(line, flush=True)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
