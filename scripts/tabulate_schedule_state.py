"""Write how γ moves from round to round under the heuristic setting that is shown."""

from pathlib import Path

import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.tables.write_settings import write_schedule_state
from specgap.trace.done import read_done, verified_files


def main(config: Path, prompts: Path, decoding: str, folder: Path, done: list[Path]) -> None:
    study = load(config)
    write_schedule_state(
        folder,
        round_files=verified_files(Path(study.results), done, "rounds"),
        setting=read_done(done[0]).cell.setting,
        prompts=read_prompts(prompts),
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
