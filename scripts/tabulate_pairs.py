"""Write the tables over the pairs of one decoding and setting."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell, compared_pairs, state_file
from specgap.prompts import limited, read_prompts
from specgap.tables.from_state import prompt_counts
from specgap.tables.pairs import Counted
from specgap.tables.write_pairs import write_pairs_tables


def main(config: Path, prompts: Path, decoding: str, setting: str, folder: Path) -> None:
    study, results = load(config), Path(load(config).results)
    pairs = [
        Counted(
            pair,
            study.pairs[pair],
            prompt_counts(load_state(state_file(results, Cell(pair, decoding, setting)))),
        )
        for pair in compared_pairs(study, decoding)
    ]
    write_pairs_tables(
        folder,
        pairs=pairs,
        prompts=limited(read_prompts(prompts), study.setting(setting).limit),
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
