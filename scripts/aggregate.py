"""Fold a cell's traces and rounds into one state."""

from pathlib import Path

import typer

from specgap.aggregate import aggregate, save
from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import limited, read_prompts
from specgap.trace.done import shard_files


def main(config: Path, setting: str, prompts: Path, output: Path, done: list[Path], threads: int = 1) -> None:
    study = load(config)
    state = aggregate(
        shard_files(Path(study.results), done, "traces"),
        shard_files(Path(study.results), done, "rounds"),
        limited(read_prompts(prompts), study.setting(setting).limit),
        study.bins,
        study.over_confident_ratio,
        threads=threads,
    )
    save(state, output)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
