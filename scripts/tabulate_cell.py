"""Write what the counts of one pair, decoding and setting say."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import limited, read_prompts
from specgap.tables.cost import cost_ratio
from specgap.tables.write import write_cell_tables
from specgap.trace.done import read_done


def main(
    config: Path, prompts: Path, state: Path, done: Path, decoding: str, setting: str, folder: Path
) -> None:
    study = load(config)
    write_cell_tables(
        folder,
        state=load_state(state),
        prompts=limited(read_prompts(prompts), study.setting(setting).limit),
        mode=study.decodings[decoding].mode,
        ratio=study.over_confident_ratio,
        cost_ratio=cost_ratio(study, read_done(done).facts),
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
