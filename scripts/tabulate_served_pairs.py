"""Write the tables over the pairs of one decoding, each of a server's counts."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import compared_pairs
from specgap.prompts import group_columns, limited, read_counts, read_prompts
from specgap.tables.pairs import Counted
from specgap.tables.served import served_counts
from specgap.tables.write_pairs import write_pairs_tables


def main(config: Path, prompts: Path, decoding: str, setting: str, folder: Path, counts: list[Path]) -> None:
    study = load(config)
    columns, pairs = group_columns(study), compared_pairs(study, decoding)
    rows = [read_counts(file, name=str(file), groupings=columns) for file in counts]
    write_pairs_tables(
        folder,
        pairs=[
            Counted(pair, study.pairs[pair], served_counts(of_pair).prompts)
            for pair, of_pair in zip(pairs, rows, strict=True)
        ],
        prompts=limited(read_prompts(prompts), study.setting(setting).limit),
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
