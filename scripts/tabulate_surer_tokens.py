"""Write the tokens with q > p of one pair, decoding and setting."""

from pathlib import Path

import typer

from specgap.aggregate import load as load_state
from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import limited, read_prompts
from specgap.tables.vocabulary import read_vocabulary
from specgap.tables.write_cell import write_surer_tables
from specgap.trace.done import verified_files


def main(
    config: Path,
    prompts: Path,
    vocabulary: Path,
    state: Path,
    decoding: str,
    setting: str,
    folder: Path,
    done: list[Path],
) -> None:
    study = load(config)
    write_surer_tables(
        folder,
        state=load_state(state),
        prompts=limited(read_prompts(prompts), study.setting(setting).limit),
        vocabulary=read_vocabulary(vocabulary),
        trace_files=verified_files(Path(study.results), done, "traces"),
        round_files=verified_files(Path(study.results), done, "rounds"),
        mode=study.decodings[decoding].mode,
        ratio=study.over_confident_ratio,
        prior=study.statistics.token_prior,
        seed=study.seed,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
