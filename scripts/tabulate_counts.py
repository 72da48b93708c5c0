"""Write what a server's counts of one pair say."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import group_columns, read_counts, read_prompts
from specgap.tables.served import served_counts
from specgap.tables.write import write_acceptance_tables
from specgap.tables.write_inference import Compared, write_inference_tables


def main(config: Path, prompts: Path, counts: Path, decoding: str, folder: Path) -> None:
    study, known = load(config), read_prompts(prompts)
    rows = read_counts(counts, name=str(counts), groupings=group_columns(study))
    found, mode = served_counts(rows), study.decodings[decoding].mode
    write_acceptance_tables(folder, counts=found, prompts=known, mode=mode, cost_ratio=study.cost_ratio)
    write_inference_tables(
        folder, counts=found, study=Compared(known, study.statistics, study.seed), mode=mode
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
