"""Write the tables of the settings of a pair and decoding that keep no records."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell
from specgap.prompts import read_prompts
from specgap.tables.cost import cost_ratio
from specgap.tables.write import write_swept_tables
from specgap.trace.done import read_done


def main(config: Path, prompts: Path, done: Path, pair: str, decoding: str, states: list[Path]) -> None:
    study, known = load(config), read_prompts(prompts)
    cost = cost_ratio(study, read_done(done).facts)
    for setting, state in zip(study.swept_settings_of(decoding), states, strict=True):
        write_swept_tables(
            Path(study.results) / "tables" / Cell(pair, decoding, setting.name).folder,
            state=load_state(state),
            prompts=known,
            mode=study.decodings[decoding].mode,
            cost_ratio=cost,
        )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
