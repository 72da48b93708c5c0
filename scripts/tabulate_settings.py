"""Write the tables over all settings of one pair and decoding."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.tables.write import write_settings_tables


def main(config: Path, prompts: Path, decoding: str, folder: Path, states: list[Path]) -> None:
    study = load(config)
    settings = study.settings_of(decoding)
    write_settings_tables(
        folder,
        cells={s.name: (s, load_state(state)) for s, state in zip(settings, states, strict=True)},
        prompts=read_prompts(prompts),
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
