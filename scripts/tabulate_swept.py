"""Write the tables of the settings of a pair and decoding that keep no records."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell
from specgap.prompts import read_prompts
from specgap.tables.cost import cost_ratio
from specgap.tables.from_state import counted_prompts
from specgap.tables.write import write_acceptance_tables
from specgap.tables.write_inference import write_intervals
from specgap.trace.done import read_done


def main(config: Path, prompts: Path, done: Path, pair: str, decoding: str, states: list[Path]) -> None:
    study, known = load(config), read_prompts(prompts)
    cost, mode = cost_ratio(study, read_done(done).facts), study.decodings[decoding].mode
    for setting, state in zip(study.swept_settings_of(decoding), states, strict=True):
        folder = Path(study.results) / "tables" / Cell(pair, decoding, setting.name).folder
        counts = counted_prompts(load_state(state))
        write_acceptance_tables(folder, counts=counts, prompts=known, mode=mode, cost_ratio=cost)
        write_intervals(folder, counts=counts, prompts=known, mode=mode)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
