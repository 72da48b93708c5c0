"""Bring a hub model into the local cache, and record which commit it is."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.models.hub import fetch_model


def main(config: Path, name: str, record: Path) -> None:
    fetch_model(load(config), name, record)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
