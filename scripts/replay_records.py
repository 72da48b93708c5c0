"""Write one job's traces and rounds under a setting that is replayed over paths."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell, find_job
from specgap.prompts import load_prompts
from specgap.replay import replay_job


def main(config: Path, pair: str, decoding: str, setting: str, job: str) -> None:
    study = load(config)
    prompts = load_prompts(study)
    found = find_job(study, decoding, setting, prompts.distinct, job)
    replay_job(study, Cell(pair, decoding, setting), found, prompts, results=Path(study.results))


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
