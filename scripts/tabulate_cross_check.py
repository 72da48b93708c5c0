"""Hold replayed settings of a pair and decoding against the same ones traced by real rounds."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.tables.names import cross_checks
from specgap.tables.states import read_states
from specgap.tables.write_settings import write_cross_check


def main(config: Path, prompts: Path, pair: str, decoding: str, folder: Path) -> None:
    study, known = load(config), read_prompts(prompts)
    replayed, checked = (
        read_states(study, pair, decoding, known, side)
        for side in zip(*cross_checks(study, decoding), strict=True)
    )
    write_cross_check(
        folder,
        pairs=list(zip(replayed, checked, strict=True)),
        prompts=known,
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
