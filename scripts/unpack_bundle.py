"""Unpack a bundle into a folder of its own, for the workflow to draw everything else again there."""

from pathlib import Path

import typer

from specgap.bundle import unpack_bundle
from specgap.errors import one_sentence


def main(bundle: Path, folder: Path) -> None:
    fresh = unpack_bundle(bundle, folder)
    typer.echo(f"specgap: {folder} {'unpacked' if fresh else 'is there already'}", err=True)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
