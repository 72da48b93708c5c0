"""Trace one job's shards."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell, find_job
from specgap.prompts import limited, load_prompts
from specgap.trace.collect import collect_job
from specgap.trace.progress import say


def main(config: Path, pair: str, decoding: str, setting: str, job: str) -> None:
    study = load(config)
    prompts = limited(load_prompts(study), study.setting(setting).limit)
    collect_job(
        study,
        Cell(pair, decoding, setting),
        find_job(study, decoding, setting, prompts.distinct, job),
        prompts.texts,
        results=Path(study.results),
        log=say,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
