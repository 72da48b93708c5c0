"""Write the tables over all settings of one pair and decoding."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.tables.cost import cost_ratio
from specgap.tables.states import read_states
from specgap.tables.write_settings import write_settings_tables
from specgap.trace.done import read_done


def main(config: Path, prompts: Path, done: Path, pair: str, decoding: str, folder: Path) -> None:
    study, known = load(config), read_prompts(prompts)
    write_settings_tables(
        folder,
        cells=read_states(study, pair, decoding, known, study.settings_of(decoding)),
        prompts=known,
        drawn=[setting.name for setting in study.figure_settings_of(decoding)],
        mode=study.decodings[decoding].mode,
        cost_ratio=cost_ratio(study, read_done(done).facts),
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
