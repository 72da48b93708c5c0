"""Time a setting's prompts with and without the draft, by turns on one device."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell
from specgap.prompts import limited, load_prompts
from specgap.trace.plain import time_speed_up
from specgap.trace.progress import say


def main(config: Path, pair: str, decoding: str, setting: str, plain: Path, assisted: Path) -> None:
    study = load(config)
    time_speed_up(
        study,
        Cell(pair, decoding, setting),
        limited(load_prompts(study), study.setting(setting).limit).texts,
        plain=plain,
        assisted=assisted,
        log=say,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
