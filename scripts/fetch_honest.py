"""Download HONEST's two files, or copy them from a folder, and check their SHA-256."""

from pathlib import Path

import typer

from specgap.errors import one_sentence
from specgap.prompts import fetch_honest


def main(folder: Path, local: str = "") -> None:
    fetch_honest(folder, local=Path(local) if local else None)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
