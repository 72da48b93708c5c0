"""Check a study's config, prompts and models without running anything; exit 2 with one sentence."""

from pathlib import Path

import typer

from specgap.check import full
from specgap.errors import one_sentence


def main(config: Path) -> None:
    for line in full(config):
        print(line)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
