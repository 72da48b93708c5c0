"""Write what the counts of one pair, decoding and setting say."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import limited, read_prompts
from specgap.tables.cost import cost_ratio
from specgap.tables.from_state import cell_counts
from specgap.tables.measures import read_measures
from specgap.tables.write_cell import write_cell_tables
from specgap.tables.write_inference import Compared, write_inference_tables
from specgap.trace.done import read_done


def main(
    config: Path,
    prompts: Path,
    state: Path,
    done: Path,
    measures: Path,
    decoding: str,
    setting: str,
    folder: Path,
) -> None:
    study = load(config)
    counts, mode = cell_counts(load_state(state)), study.decodings[decoding].mode
    known = limited(read_prompts(prompts), study.setting(setting).limit)
    write_cell_tables(
        folder,
        counts=counts,
        prompts=known,
        mode=mode,
        ratio=study.over_confident_ratio,
        cost_ratio=cost_ratio(study, read_done(done).facts),
    )
    shared = Compared(known, study.statistics, study.seed, read_measures(measures))
    write_inference_tables(folder, counts=counts, study=shared, mode=mode)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
