"""Collect how the draft goes on from the proposals of one job that were rejected."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import find_job
from specgap.prompts import load_prompts
from specgap.trace.collect_tails import collect_tails_job
from specgap.trace.progress import say


def main(config: Path, pair: str, decoding: str, job: str) -> None:
    study = load(config)
    prompts = load_prompts(study)
    collect_tails_job(
        study,
        pair,
        decoding,
        find_job(study, decoding, "", prompts.distinct, job),
        prompts.texts,
        results=Path(study.results),
        log=say,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
