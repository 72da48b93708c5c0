"""Write the tables over the pairs of one decoding and setting."""

from collections.abc import Mapping
from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import Study, load
from specgap.errors import one_sentence
from specgap.layout import compared_pairs
from specgap.prompts import group_columns, limited, read_counts, read_prompts
from specgap.tables.counts import Counts
from specgap.tables.from_state import prompt_counts
from specgap.tables.pairs import Counted
from specgap.tables.served import served_counts
from specgap.tables.write_pairs import write_pairs_tables


def main(config: Path, prompts: Path, decoding: str, setting: str, folder: Path, counts: list[Path]) -> None:
    study = load(config)
    pairs = compared_pairs(study, decoding)
    write_pairs_tables(
        folder,
        pairs=[
            Counted(pair, study.pairs[pair], _counts(study, file))
            for pair, file in zip(pairs, counts, strict=True)
        ],
        prompts=limited(read_prompts(prompts), study.setting(setting).limit),
        mode=study.decodings[decoding].mode,
    )


def _counts(study: Study, file: Path) -> Mapping[int, Counts]:
    if study.collector == "counts":
        return served_counts(read_counts(file, name=str(file), groupings=group_columns(study))).prompts
    return prompt_counts(load_state(file))


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
