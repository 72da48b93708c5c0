"""Store a Hugging Face dataset's rows as JSONL, and which commit they are from."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import fetch_dataset


def main(config: Path, rows: Path, origin: Path) -> None:
    fetch_dataset(load(config).prompts, rows, origin)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
