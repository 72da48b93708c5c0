"""Write the tables over the pairs of one decoding and setting."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import compared_pairs
from specgap.prompts import limited, read_prompts
from specgap.tables.from_state import prompt_counts
from specgap.tables.pairs import Counted
from specgap.tables.write_pairs import write_pairs_tables


def main(config: Path, prompts: Path, decoding: str, setting: str, folder: Path, states: list[Path]) -> None:
    study = load(config)
    pairs = compared_pairs(study, decoding)
    write_pairs_tables(
        folder,
        pairs=[
            Counted(pair, study.pairs[pair], prompt_counts(load_state(state)))
            for pair, state in zip(pairs, states, strict=True)
        ],
        prompts=limited(read_prompts(prompts), study.setting(setting).limit),
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
